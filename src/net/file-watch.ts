import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../core/ports.js";

/**
 * Files that belong together are replaced one after the other, and a file may be seen half written: a look waits until
 * nothing has changed for so long. Milliseconds.
 */
const SETTLE_TIME = 100;
/** Network file systems, and links to other folders, tell nothing: they are looked at so often. Milliseconds. */
const LOOK_INTERVAL = 10_000;

/**
 * Says when files may have changed. Their folders are watched, not the files: an editor, and Kubernetes by changing a
 * link, puts another file in the place of the old one.
 */
export class FileWatch {
  readonly #folders: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #look: () => Promise<void>;
  readonly #watchers = new Set<FSWatcher>();
  #cancelSettle: (() => void) | undefined;
  #cancelInterval: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  /** @param look - called one at a time; must not reject */
  constructor(files: readonly string[], clock: Clock, look: () => Promise<void>) {
    this.#folders = new Set(files.map((file) => dirname(file)));
    this.#clock = clock;
    this.#look = look;
  }

  start(): void {
    for (const folder of this.#folders) this.#watchFolder(folder);
    this.#lookAgain();
  }

  stop(): void {
    this.#stopped = true;
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers.clear();
    this.#cancelSettle?.();
    this.#cancelInterval?.();
  }

  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, this.#onEvent);
      watcher.on("error", () => {
        watcher.close();
        this.#watchers.delete(watcher);
      });
      this.#watchers.add(watcher);
    } catch {
      // The system has no more watches to give, say. The interval is left.
    }
  }

  readonly #onEvent = (): void => {
    if (this.#stopped) return;
    this.#cancelSettle?.();
    this.#cancelSettle = this.#clock.after(SETTLE_TIME, () => this.#run());
  };

  #lookAgain(): void {
    this.#cancelInterval = this.#clock.after(LOOK_INTERVAL, () => {
      this.#run();
      this.#lookAgain();
    });
  }

  #run(): void {
    this.#looking = this.#looking.then(() => (this.#stopped ? undefined : this.#look()));
  }
}
