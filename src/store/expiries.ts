import type { Clock } from "../core/ports.js";

/** Minimum time between two scans for expired keys, in milliseconds, because each scan visits all keys. */
const MIN_WAIT = 100;
/** Maximum timer duration, in milliseconds. Node's timers overflow at 24 days, and the system clock may be changed. */
const MAX_WAIT = 3_600_000;

/** Reports keys when they expire, with a single timer for all of them. */
export class StoreExpiries {
  readonly #clock: Clock;
  readonly #onDue: (key: string) => void;
  readonly #due = new Map<string, number>();
  /** Time at which the timer fires, in milliseconds since the epoch. */
  #wake = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, onDue: (key: string) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /**
   * Sets or clears the expiry of a key.
   * @param at - in milliseconds since the epoch; undefined: never
   */
  set(key: string, at: number | undefined): void {
    if (at === undefined) {
      this.#due.delete(key);
      return;
    }
    this.#due.set(key, at);
    if (at < this.#wake) this.#arm(at, 0);
  }

  clear(): void {
    this.#due.clear();
    this.#cancel?.();
    this.#wake = Number.POSITIVE_INFINITY;
  }

  #arm(at: number, minWait: number): void {
    const now = this.#clock.now();
    const wait = Math.min(Math.max(at - now, minWait), MAX_WAIT);
    this.#cancel?.();
    this.#wake = now + wait;
    this.#cancel = this.#clock.after(wait, this.#expireDue);
  }

  readonly #expireDue = (): void => {
    const now = this.#clock.now();
    this.#wake = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const [key, at] of this.#due) {
      if (at > now) {
        next = Math.min(next, at);
      } else {
        this.#due.delete(key);
        this.#onDue(key);
      }
    }
    if (next < this.#wake) this.#arm(next, MIN_WAIT);
  };
}
