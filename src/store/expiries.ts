import type { Clock } from "../core/ports.js";

/** Least time between two looks for what is due, in milliseconds: with many entries each look costs something. */
const SHORTEST_WAIT = 100;
/** The longest timer, in milliseconds: Node's own end at 24 days, and the machine's time may be set meanwhile. */
const LONGEST_WAIT = 3_600_000;

/** Tells when keys are due, with one timer for all of them. */
export class StoreExpiries {
  readonly #clock: Clock;
  readonly #onDue: (key: string) => void;
  readonly #due = new Map<string, number>();
  /** When the timer runs out. */
  #wake = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, onDue: (key: string) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** @param at - in milliseconds since the epoch; undefined: never */
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

  #arm(at: number, shortest: number): void {
    const now = this.#clock.now();
    const wait = Math.min(Math.max(at - now, shortest), LONGEST_WAIT);
    this.#cancel?.();
    this.#wake = now + wait;
    this.#cancel = this.#clock.after(wait, this.#look);
  }

  readonly #look = (): void => {
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
    if (next < this.#wake) this.#arm(next, SHORTEST_WAIT);
  };
}
