/** Waits between attempts: each is twice the previous one, and half of it is random, so that clients do not come back together. */
export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  #next: number;

  /** @param first - upper bound of the first wait, in milliseconds @param longest - upper bound of all waits */
  constructor(first: number, longest: number) {
    this.#first = first;
    this.#longest = longest;
    this.#next = first;
  }

  /** Returns the next wait, in milliseconds. */
  next(): number {
    const wait = this.#next * (0.5 + Math.random() / 2);
    this.#next = Math.min(this.#longest, this.#next * 2);
    return wait;
  }

  /** Called after a success. */
  reset(): void {
    this.#next = this.#first;
  }
}
