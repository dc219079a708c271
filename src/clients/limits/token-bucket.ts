import type { Clock } from "../../core/ports.js";

/**
 * Lets so much through in a second, and after a pause a second's worth at once. What is more than that is let through
 * when the bucket is full, and owed: a single large message is not refused for ever.
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  /** In thousandths: what a millisecond brings is a whole number of them. */
  #left: number;
  #filled: number;

  constructor(perSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond * 1_000;
    this.#filled = clock.monotonic();
  }

  /** Takes an amount. @returns false, and nothing is taken, when that would be too much now */
  take(amount = 1): boolean {
    if (this.#missing(amount) > 0) return false;
    this.#left -= amount * 1_000;
    return true;
  }

  /** Takes an amount whatever is left: what is missing is owed. @returns milliseconds until it is paid; 0 for nothing owed */
  spend(amount: number): number {
    this.#missing(0);
    this.#left -= amount * 1_000;
    return Math.max(0, Math.ceil(-this.#left / this.#perSecond));
  }

  /** Milliseconds until an amount can be had; 0 when it can be now. */
  wait(amount = 1): number {
    return Math.max(0, Math.ceil(this.#missing(amount) / this.#perSecond));
  }

  /** Thousandths. */
  #missing(amount: number): number {
    const now = this.#clock.monotonic();
    const full = this.#perSecond * 1_000;
    this.#left = Math.min(full, this.#left + (now - this.#filled) * this.#perSecond);
    this.#filled = now;
    return Math.min(amount * 1_000, full) - this.#left;
  }
}
