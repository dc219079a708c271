import { Histogram } from "../../support/histogram.js";

/** Delays of a period, in milliseconds. */
export interface DelaySummary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
}

/** Times from the publish of a message to its receipt, on connections that were in the topic before the publish. */
export class DeliveryDelays {
  readonly #published = new Map<string, number>();
  #histogram = new Histogram();

  /** Notes that a message is published now. A repeat counts from its last attempt. */
  publish(message: string): void {
    this.#published.set(message, performance.now());
  }

  /** @param joined - time of the connection's join, as of `performance.now()` */
  receive(message: string, joined: number): void {
    const published = this.#published.get(message);
    if (published === undefined || published < joined) return;
    this.#histogram.add((performance.now() - published) * 1_000);
  }

  /** Returns the delays since the last call. */
  take(): DelaySummary {
    const taken = this.#histogram;
    this.#histogram = new Histogram();
    return { count: taken.count, p50: taken.percentile(0.5) / 1_000, p99: taken.percentile(0.99) / 1_000 };
  }
}
