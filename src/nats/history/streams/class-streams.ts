import type { HistoryClass } from "../../../core/history.js";
import { ignore } from "../../../util/ignore.js";
import { ClassStream, type ClassStreamOptions } from "./class-stream.js";

/** Maximum number of deleted vhosts that are remembered. */
const MAX_DELETED = 100;

/** The streams of a broker's history classes. */
export class ClassStreams {
  readonly #options: Omit<ClassStreamOptions, "deletionOf">;
  /** By vhost and name of the class. */
  readonly #vhosts = new Map<string, Map<string, ClassStream>>();

  /** Deletions in progress, by vhost. They never reject. */
  readonly #deletions = new Map<string, Promise<void>>();
  /** Deleted vhosts whose streams subscriptions may still hold, the latest last. */
  readonly #deleted = new Set<string>();

  constructor(options: Omit<ClassStreamOptions, "deletionOf">) {
    this.#options = options;
  }

  get prefix(): string {
    return this.#options.prefix;
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
      const deletionOf = (path: string) => this.#deletions.get(path);
      stream = new ClassStream({ ...this.#options, deletionOf }, vhost, history);
      classes.set(history.name, stream);
    }
    if (stream.history !== history) stream.reuse(history);
    return stream;
  }

  /**
   * Closes the streams of a deleted vhost, then removes them. They are opened again only for a new vhost of this name, after
   * the removal.
   * @param remove - receives the times at which the closed streams were created, by name
   * @throws the errors of `remove`
   */
  async deleteVhost(vhost: string, remove: (known: ReadonlyMap<string, string>) => Promise<void>): Promise<void> {
    const streams = [...(this.#vhosts.get(vhost)?.values() ?? [])];
    const removal = Promise.all(streams.map((stream) => stream.retire())).then(() =>
      remove(new Map(streams.map(({ created, name }) => [name, created]))),
    );
    const deletion = removal.catch(ignore);
    this.#deletions.set(vhost, deletion);
    this.#deleted.delete(vhost);
    this.#deleted.add(vhost);
    this.#forgetOldest();
    try {
      await removal;
    } finally {
      if (this.#deletions.get(vhost) === deletion) this.#deletions.delete(vhost);
    }
  }

  /** Forgets vhosts that were deleted long ago, and that do not exist again. */
  #forgetOldest(): void {
    for (const vhost of this.#deleted) {
      if (this.#deleted.size <= MAX_DELETED) return;
      this.#deleted.delete(vhost);
      const streams = [...(this.#vhosts.get(vhost)?.values() ?? [])];
      if (streams.every(({ isRetired }) => isRetired)) this.#vhosts.delete(vhost);
    }
  }

  /** Called after a reconnect: servers that have restarted may have lost streams. */
  loseAll(): void {
    for (const classes of this.#vhosts.values()) for (const stream of classes.values()) stream.markLost();
  }
}
