import type { Clock } from "../../core/ports.js";
import type { Bucket } from "./bucket.js";
import { UNREADABLE } from "./key-value-entry.js";

/** Interval of sweeps, in milliseconds. */
const SWEEP_INTERVAL = 30_000;
/** Interval of reads of the complete bucket, which find entries of stopped nodes; in milliseconds. */
const READ_INTERVAL = 3_600_000;
/**
 * Retention of deletion markers and expired entries, in milliseconds. Watchers on a bad connection learn of a deletion
 * from its marker, and the clocks of nodes differ slightly.
 */
const RETENTION = 300_000;

/**
 * Retention of expired entries that other nodes wrote, in milliseconds. Removing an entry that has not expired by every
 * node's clock would make a used token valid again.
 */
const FOREIGN_RETENTION = 7_200_000;

/**
 * Removes expired entries and deletion markers. Each node removes those that it wrote. It also reads the complete bucket
 * at its first sweep and then every hour.
 */
export class ExpirySweep {
  readonly #clock: Clock;
  readonly #bucket: () => Bucket | undefined;
  readonly #onError: (error: unknown) => void;
  /** Time by key at which the key must be checked, in milliseconds since the epoch. */
  readonly #due = new Map<string, number>();
  #nextRead = 0;
  #cancel: (() => void) | undefined;

  /** @param bucket - returns undefined while disconnected */
  constructor(clock: Clock, bucket: () => Bucket | undefined, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#bucket = bucket;
    this.#onError = onError;
  }

  start(): void {
    this.#cancel = this.#clock.after(SWEEP_INTERVAL, () => {
      this.start();
      this.#sweep().catch(this.#onError);
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** @param expires - undefined: never */
  noteWritten(key: string, expires: number | undefined): void {
    if (expires === undefined) this.#due.delete(key);
    else this.#due.set(key, expires + RETENTION);
  }

  noteDeleted(key: string): void {
    this.#due.set(key, this.#clock.now() + RETENTION);
  }

  async #sweep(): Promise<void> {
    const bucket = this.#bucket();
    if (bucket === undefined) return;
    const now = this.#clock.now();
    if (now >= this.#nextRead) {
      this.#nextRead = now + READ_INTERVAL;
      for (const [key, entry] of await bucket.read(">")) {
        // Damaged entries are kept for the operator.
        if (this.#due.has(key) || entry === UNREADABLE) continue;
        if (entry === undefined) this.noteDeleted(key);
        else if (entry.expires !== undefined) this.#due.set(key, entry.expires + FOREIGN_RETENTION);
      }
    }
    for (const [key, at] of this.#due) {
      if (at > now) continue;
      this.#due.delete(key);
      // Another node may have written the key since; that node then removes it.
      const { entry, revision } = await bucket.find(key, now);
      if (entry === undefined && revision > 0) await bucket.purge(key, revision);
    }
  }
}
