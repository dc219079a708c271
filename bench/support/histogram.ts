/** Logarithm of the growth of buckets: percentiles are accurate to 1 %. */
const GROWTH = Math.log(1.01);
const BUCKETS = 2_400;

/** Counts durations in microseconds, from 1 µs to some hours. */
export class Histogram {
  readonly #buckets: Uint32Array;
  #count = 0;

  /** @param buckets - buckets of a histogram from another process */
  constructor(buckets?: readonly number[]) {
    this.#buckets = buckets === undefined ? new Uint32Array(BUCKETS) : Uint32Array.from(buckets);
    for (const count of this.#buckets) this.#count += count;
  }

  get count(): number {
    return this.#count;
  }

  add(microseconds: number): void {
    const bucket = microseconds <= 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log(microseconds) / GROWTH));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
  }

  /** @param share - for example 0.99 for the time that 99 % do not exceed */
  percentile(share: number): number {
    const rank = Math.ceil(this.#count * share);
    let seen = 0;
    for (const [bucket, count] of this.#buckets.entries()) {
      seen += count;
      if (seen >= rank && seen > 0) return Math.exp((bucket + 0.5) * GROWTH);
    }
    return Number.NaN;
  }

  /** Returns the buckets, to send them to another process. */
  toJSON(): number[] {
    return [...this.#buckets];
  }
}
