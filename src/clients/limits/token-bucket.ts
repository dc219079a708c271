import type { Clock } from "../../core/ports.js";

/**
 * Token bucket whose capacity is the amount of one second. A full bucket grants even an amount above its capacity, and is
 * then in debt. Otherwise a single large message would always be refused.
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  /** Available amount in thousandths, so that one millisecond refills a whole number. Negative for a debt. */
  #available: number;
  #refilledAt: number;

  constructor(perSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#available = perSecond * 1_000;
    this.#refilledAt = clock.monotonic();
  }

  /** Takes an amount. @returns false, and takes nothing, when the bucket holds too little */
  take(amount = 1): boolean {
    if (this.#shortfall(amount) > 0) return false;
    this.#available -= amount * 1_000;
    return true;
  }

  /** Takes an amount even if the bucket holds too little. @returns milliseconds until the debt is paid; 0 for none */
  spend(amount: number): number {
    this.#shortfall(0);
    this.#available -= amount * 1_000;
    return Math.max(0, Math.ceil(-this.#available / this.#perSecond));
  }

  /** Returns the milliseconds until an amount can be taken; 0 if it can be taken now. */
  wait(amount = 1): number {
    return Math.max(0, Math.ceil(this.#shortfall(amount) / this.#perSecond));
  }

  /** Refills the bucket. @returns the part of an amount that is missing, in thousandths; 0 or less for none */
  #shortfall(amount: number): number {
    const now = this.#clock.monotonic();
    const full = this.#perSecond * 1_000;
    this.#available = Math.min(full, this.#available + (now - this.#refilledAt) * this.#perSecond);
    this.#refilledAt = now;
    return Math.min(amount * 1_000, full) - this.#available;
  }
}
