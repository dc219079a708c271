import type { Clock } from "../../core/ports.js";

/**
 * Token bucket that holds one second's worth. An amount larger than the bucket passes when the bucket is full and leaves
 * it in debt, so that a single large message is not refused for ever.
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  /** In thousandths, so that the refill of one millisecond is a whole number. Negative for a debt. */
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

  /** Milliseconds until an amount can be taken; 0 for now. */
  wait(amount = 1): number {
    return Math.max(0, Math.ceil(this.#shortfall(amount) / this.#perSecond));
  }

  /** Refills the bucket. @returns how much is missing for an amount, in thousandths; 0 or less: nothing */
  #shortfall(amount: number): number {
    const now = this.#clock.monotonic();
    const full = this.#perSecond * 1_000;
    this.#available = Math.min(full, this.#available + (now - this.#refilledAt) * this.#perSecond);
    this.#refilledAt = now;
    return Math.min(amount * 1_000, full) - this.#available;
  }
}
