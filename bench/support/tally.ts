import { Histogram } from "./histogram.js";

/** Counts of a load's receivers. */
export interface Counts {
  received: number;
  duplicated: number;
  misordered: number;
  /** Number of connections that the server closed. */
  closed: number;
}

/** Counts the messages of all receivers of a process, and waits for a total. */
export class Tally {
  readonly counts: Counts = { received: 0, duplicated: 0, misordered: 0, closed: 0 };
  /** Time from creating a message to receiving it, in microseconds; undefined while it is not measured. */
  latency: Histogram | undefined;
  #target = Number.POSITIVE_INFINITY;
  #finish: (() => void) | undefined;

  count(): void {
    this.counts.received += 1;
    if (this.counts.received >= this.#target) this.#finish?.();
  }

  /** Resolves when `total` messages have arrived, or after `patience` milliseconds, when missing messages count as lost. */
  arrived(total: number, patience: number): Promise<void> {
    if (this.counts.received >= total) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#finish?.(), patience);
      this.#target = total;
      this.#finish = () => {
        clearTimeout(timer);
        this.#target = Number.POSITIVE_INFINITY;
        this.#finish = undefined;
        resolve();
      };
    });
  }

  measureLatency(): void {
    this.latency = new Histogram();
  }
}
