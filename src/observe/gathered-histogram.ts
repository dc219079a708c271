import { Histogram, type HistogramConfiguration } from "prom-client";

/** Number of values that are counted together. */
const GATHERED = 256;

/**
 * Histogram for values that come with every request. It counts them many at a time: alone, each would cost several microseconds
 * of cold code and data between two requests (bench/NOTES.md).
 */
export class GatheredHistogram {
  readonly #histogram: Histogram;
  #values: number[] = [];

  constructor(configuration: HistogramConfiguration<string>) {
    this.#histogram = new Histogram({ ...configuration, collect: () => this.#count() });
  }

  observe(value: number): void {
    this.#values.push(value);
    if (this.#values.length >= GATHERED) this.#count();
  }

  #count(): void {
    for (const value of this.#values) this.#histogram.observe(value);
    this.#values = [];
  }
}
