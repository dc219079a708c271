import { Histogram, type HistogramConfiguration } from "prom-client";

/** Number of values that are counted together. */
const GATHERED = 256;

/** Trace of a measured request or message, which a histogram names as an example. */
export interface MeasuredTrace {
  readonly traceId: string;
  readonly spanId: string;
}

/**
 * Histogram for values that come with every request. It counts them many at a time: alone, each would cost several microseconds
 * of cold code and data between two requests (bench/NOTES.md).
 */
export class GatheredHistogram {
  readonly #histogram: Histogram;
  readonly #hasExemplars: boolean;
  #values: number[] = [];

  constructor(configuration: HistogramConfiguration<string>) {
    this.#hasExemplars = configuration.enableExemplars === true;
    this.#histogram = new Histogram({ ...configuration, collect: () => this.#count() });
  }

  /** @param trace - of the value, if it is sampled; ignored without exemplars */
  observe(value: number, trace?: MeasuredTrace): void {
    if (trace !== undefined && this.#hasExemplars) {
      const exemplarLabels = { trace_id: trace.traceId, span_id: trace.spanId };
      this.#histogram.observe({ value, labels: {}, exemplarLabels });
      return;
    }
    this.#values.push(value);
    if (this.#values.length >= GATHERED) this.#count();
  }

  #count(): void {
    for (const value of this.#values) {
      if (this.#hasExemplars) this.#histogram.observe({ value, labels: {} });
      else this.#histogram.observe(value);
    }
    this.#values = [];
  }
}
