/**
 * Bounds frames that cost work without bringing any: resets, pings, settings, empty frames, window updates. Credits return with
 * time, so that a slow trickle is harmless, and with work, so that a busy connection may send as many as its calls need.
 */
export class FloodCredits {
  readonly #limit: number;
  readonly #perMillisecond: number;
  readonly #now: () => number;
  #left: number;
  /** Time of the last refill, in milliseconds; read only when the credits run out. */
  #time: number;

  /**
   * @param limit - largest number of credits
   * @param perSecond - credits that return each second
   * @param now - monotonic time in milliseconds
   */
  constructor(limit: number, perSecond: number, now: () => number) {
    this.#limit = limit;
    this.#perMillisecond = perSecond / 1_000;
    this.#now = now;
    this.#left = limit;
    this.#time = now();
  }

  /** @returns false if too few credits are left */
  spend(credits: number): boolean {
    this.#left -= credits;
    if (this.#left >= 0) return true;
    const time = this.#now();
    this.#left = Math.min(this.#limit, this.#left + (time - this.#time) * this.#perMillisecond);
    this.#time = time;
    return this.#left >= 0;
  }

  /** Returns credits for work that was done. */
  earn(credits: number): void {
    this.#left = Math.min(this.#limit, this.#left + credits);
  }
}
