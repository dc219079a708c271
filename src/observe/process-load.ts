import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** Load of this process. Times in seconds, sizes in bytes. */
export interface ProcessReading {
  readonly eventLoopDelayP99: number;
  readonly eventLoopDelayMax: number;
  readonly memoryBytes: number;
  readonly heapBytes: number;
  readonly cpuSeconds: number;
}

/** Interval of the delay's samples, in milliseconds: a shorter one would wake an idle process more often. */
const RESOLUTION = 50;
/** Shortest time that a reading of the delay covers, in milliseconds. */
const SHORTEST_WINDOW = 1_000;

const NANOSECONDS = 1e9;
const MICROSECONDS = 1e6;

/** Measures this process. The event loop is watched from the first reading on. */
export class ProcessLoad {
  readonly #monotonic: () => number;
  #histogram: IntervalHistogram | undefined;
  #since = 0;
  #delay = { eventLoopDelayP99: 0, eventLoopDelayMax: 0 };

  /** @param monotonic - returns milliseconds since an arbitrary moment; never goes back */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  read(): ProcessReading {
    this.#readDelay();
    const { heapUsed, rss } = process.memoryUsage();
    const { system, user } = process.cpuUsage();
    return { ...this.#delay, memoryBytes: rss, heapBytes: heapUsed, cpuSeconds: (system + user) / MICROSECONDS };
  }

  stop(): void {
    this.#histogram?.disable();
  }

  #readDelay(): void {
    const now = this.#monotonic();
    if (this.#histogram === undefined) {
      this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
      this.#histogram.enable();
      this.#since = now;
    }
    if (now - this.#since < SHORTEST_WINDOW) return;
    this.#since = now;
    const { max } = this.#histogram;
    this.#delay = { eventLoopDelayP99: toDelay(this.#histogram.percentile(99)), eventLoopDelayMax: toDelay(max) };
    this.#histogram.reset();
  }
}

/** Node measures the time between two samples, which includes their interval. */
function toDelay(nanoseconds: number): number {
  return Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION / 1_000);
}
