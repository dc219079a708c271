import { Histogram } from "./histogram.js";

/** What the receivers of a load have seen. */
export interface Counts {
  received: number;
  duplicated: number;
  misordered: number;
  /** Connections that the server ended. */
  closed: number;
}

/** Counts messages for all receivers of a process, and tells when so many have come. */
export class Tally {
  readonly counts: Counts = { received: 0, duplicated: 0, misordered: 0, closed: 0 };
  /** Microseconds from making a message to receiving it; undefined while nobody asks. */
  latency: Histogram | undefined;
  #wanted = Number.POSITIVE_INFINITY;
  #tell: (() => void) | undefined;

  count(): void {
    this.counts.received += 1;
    if (this.counts.received >= this.#wanted) this.#tell?.();
  }

  /** Resolves when so many messages have arrived in all, or after `patience` milliseconds: then the rest is lost. */
  arrived(total: number, patience: number): Promise<void> {
    if (this.counts.received >= total) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#tell?.(), patience);
      this.#wanted = total;
      this.#tell = () => {
        clearTimeout(timer);
        this.#wanted = Number.POSITIVE_INFINITY;
        this.#tell = undefined;
        resolve();
      };
    });
  }

  measureLatency(): void {
    this.latency = new Histogram();
  }
}
