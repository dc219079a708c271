import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../core/ports.js";

/**
 * Time without changes before the files are read, in milliseconds, because related files are replaced one after the other
 * and may be incomplete while they are written.
 */
const SETTLE_TIME = 100;
/** Polling interval in milliseconds, because network file systems and links to other folders report no changes. */
const POLL_INTERVAL = 10_000;

/**
 * Reports when files may have changed. Watches their folders instead of the files, because editors replace files and
 * Kubernetes changes a link.
 */
export class FileWatch {
  readonly #folders: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #onChange: () => Promise<void>;
  readonly #watchers = new Set<FSWatcher>();
  #cancelSettle: (() => void) | undefined;
  #cancelInterval: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  /** @param onChange - called when files may have changed, never concurrently; must not reject */
  constructor(files: readonly string[], clock: Clock, onChange: () => Promise<void>) {
    this.#folders = new Set(files.map((file) => dirname(file)));
    this.#clock = clock;
    this.#onChange = onChange;
  }

  start(): void {
    for (const folder of this.#folders) this.#watchFolder(folder);
    this.#poll();
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
      // Polling still finds changes, for example when the system has reached its limit of watches.
    }
  }

  readonly #onEvent = (): void => {
    if (this.#stopped) return;
    this.#cancelSettle?.();
    this.#cancelSettle = this.#clock.after(SETTLE_TIME, () => this.#run());
  };

  #poll(): void {
    this.#cancelInterval = this.#clock.after(POLL_INTERVAL, () => {
      this.#run();
      this.#poll();
    });
  }

  #run(): void {
    this.#running = this.#running.then(() => (this.#stopped ? undefined : this.#onChange()));
  }
}
