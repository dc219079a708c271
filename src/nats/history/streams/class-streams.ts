import type { HistoryClass } from "../../../core/history.js";
import { ClassStream, type ClassStreamOptions } from "./class-stream.js";

/** The streams of a broker's history classes. */
export class ClassStreams {
  readonly #options: ClassStreamOptions;
  /** By vhost and name of the class. */
  readonly #vhosts = new Map<string, Map<string, ClassStream>>();

  constructor(options: ClassStreamOptions) {
    this.#options = options;
  }

  /** Finds the stream of a class, which may not be open yet. */
  find(vhost: string, history: HistoryClass): ClassStream {
    let classes = this.#vhosts.get(vhost);
    if (classes === undefined) {
      classes = new Map();
      this.#vhosts.set(vhost, classes);
    }
    let stream = classes.get(history.name);
    if (stream === undefined) {
      stream = new ClassStream(this.#options, vhost, history);
      classes.set(history.name, stream);
    }
    return stream;
  }

  /** Called after a reconnect: servers that have restarted may have lost streams. */
  loseAll(): void {
    for (const classes of this.#vhosts.values()) for (const stream of classes.values()) stream.lose();
  }
}
