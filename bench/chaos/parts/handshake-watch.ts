import type { ChaosNode } from "./chaos-node.js";
import type { Observations } from "./observations.js";

/** Milliseconds between two samples. */
const INTERVAL = 200;

/** Period for which the highest rate is reported, in seconds. */
const PEAK_PERIOD = 2;

interface Sample {
  /** Times before the request and after its answer, in seconds. The count was read between them. */
  readonly before: number;
  readonly after: number;
  readonly admitted: number;
}

/**
 * Reads how many handshakes a node admits, and checks the counts against the limit: a rate with a burst of one second. The counts
 * of a node that is started again begin at 0.
 */
export class HandshakeWatch {
  /** Highest number of handshakes per second, over two seconds or more. */
  peak = 0;
  /** Number of handshakes refused because of the rate. */
  refused = 0;
  readonly #node: ChaosNode;
  readonly #rate: number;
  readonly #samples: Sample[] = [];
  /** Last reading of the refused handshakes. */
  #lastRefused = 0;
  readonly #timer: NodeJS.Timeout;

  private constructor(node: ChaosNode, rate: number) {
    this.#node = node;
    this.#rate = rate;
    this.#timer = setInterval(() => {
      this.#sample().catch(() => {
        // The node does not answer at the moment.
      });
    }, INTERVAL);
  }

  static start(node: ChaosNode, rate: number): HandshakeWatch {
    return new HandshakeWatch(node, rate);
  }

  /** Stops reading, and reports periods with more handshakes than the limit allows. */
  stop(observed: Observations): void {
    clearInterval(this.#timer);
    for (const [position, first] of this.#samples.entries()) {
      for (const last of this.#samples.slice(position + 1)) {
        const admitted = last.admitted - first.admitted;
        const seconds = last.after - first.before;
        if (last.before - first.after >= PEAK_PERIOD) this.peak = Math.max(this.peak, admitted / seconds);
        if (admitted > this.#rate * (seconds + 1)) {
          observed.fault(`L22: ${this.#node.name} admitted ${admitted} handshakes in ${seconds.toFixed(1)} s`);
        }
      }
    }
  }

  async #sample(): Promise<void> {
    const before = performance.now() / 1_000;
    const counts = await this.#node.counter("carillon_handshakes_total");
    const after = performance.now() / 1_000;
    const refused = counts.get('{result="rate"}') ?? 0;
    this.refused += refused < this.#lastRefused ? refused : refused - this.#lastRefused;
    this.#lastRefused = refused;
    this.#samples.push({ before, after, admitted: counts.get('{result="admitted"}') ?? 0 });
  }
}
