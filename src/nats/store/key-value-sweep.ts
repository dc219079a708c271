import type { Clock } from "../../core/ports.js";
import type { Bucket } from "./bucket.js";
import { UNREADABLE } from "./key-value-entry.js";

/** Time between two looks at what is due, in milliseconds. */
const LOOK_INTERVAL = 30_000;
/** Time between two readings of the whole bucket, for what nodes that are gone have left; milliseconds. */
const READ_INTERVAL = 3_600_000;
/**
 * How long a mark of a deletion, or an expired entry, stays. Whoever watches over a bad connection hears of the deletion
 * by its mark; and nodes' times differ a little. Milliseconds.
 */
const KEPT = 300_000;

/**
 * The same for what another node has written, which goes by a clock of its own: removing an entry that is not expired for
 * all would let a used thing be used again. Milliseconds.
 */
const FOREIGN_KEPT = 7_200_000;

/**
 * Removes what nobody can see any more: expired entries and marks of deletions. Each node does it for what it has
 * written, and reads everything at its start and every hour.
 */
export class Sweep {
  readonly #clock: Clock;
  readonly #bucket: () => Bucket | undefined;
  readonly #onError: (error: unknown) => void;
  /** When each key has to be looked at. */
  readonly #due = new Map<string, number>();
  #nextReading = 0;
  #cancel: (() => void) | undefined;

  /** @param bucket - undefined while NATS is away */
  constructor(clock: Clock, bucket: () => Bucket | undefined, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#bucket = bucket;
    this.#onError = onError;
  }

  start(): void {
    this.#cancel = this.#clock.after(LOOK_INTERVAL, () => {
      this.start();
      this.#look().catch(this.#onError);
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** @param expires - undefined: it does not */
  noteWritten(key: string, expires: number | undefined): void {
    if (expires === undefined) this.#due.delete(key);
    else this.#due.set(key, expires + KEPT);
  }

  noteDeleted(key: string): void {
    this.#due.set(key, this.#clock.now() + KEPT);
  }

  async #look(): Promise<void> {
    const bucket = this.#bucket();
    if (bucket === undefined) return;
    const now = this.#clock.now();
    if (now >= this.#nextReading) {
      this.#nextReading = now + READ_INTERVAL;
      for (const [key, entry] of await bucket.read(">")) {
        // A damaged entry is left for whoever has to mend it.
        if (this.#due.has(key) || entry === UNREADABLE) continue;
        if (entry === undefined) this.noteDeleted(key);
        else if (entry.expires !== undefined) this.#due.set(key, entry.expires + FOREIGN_KEPT);
      }
    }
    for (const [key, at] of this.#due) {
      if (at > now) continue;
      this.#due.delete(key);
      // Again, because another node may have written it meanwhile; that one looks after what it wrote.
      const { entry, revision } = await bucket.find(key, now);
      if (entry === undefined && revision > 0) await bucket.purge(key, revision);
    }
  }
}
