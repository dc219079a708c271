import type { Clock } from "../../core/ports.js";

export interface BreakerOptions {
  /** Number of consecutive failures that open the breaker. */
  readonly failures: number;
  /** Milliseconds between opening and the next probe. */
  readonly pause: number;
}

/** closed: calls are made. open: calls are rejected. half_open: a probe is in flight, and its outcome decides. */
export type BreakerState = "closed" | "open" | "half_open";

export interface BreakerEvents {
  onOpened(): void;
  onClosed(): void;
}

/** Permit for one call. The caller must call exactly one of its methods. */
export interface Ticket {
  succeeded(): void;
  failed(): void;
  /** The call was not made, or its outcome says nothing about the backend. */
  unused(): void;
}

/** Stops calls to a failing backend, so that clients do not wait for it and it can recover. */
export class CircuitBreaker {
  readonly #options: BreakerOptions;
  readonly #clock: Clock;
  readonly #events: BreakerEvents;
  #failures = 0;
  /** Time of the next probe, by the monotonic clock; undefined while closed. */
  #retryAt: number | undefined;
  #probing = false;

  constructor(options: BreakerOptions, clock: Clock, events: BreakerEvents) {
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
  }

  get state(): BreakerState {
    if (this.#retryAt === undefined) return "closed";
    return this.#probing ? "half_open" : "open";
  }

  /** Requests a permit for a call. @returns undefined when the call must not be made */
  acquire(): Ticket | undefined {
    if (this.#retryAt === undefined) return this.#closedTicket;
    if (this.#probing || this.#clock.monotonic() < this.#retryAt) return undefined;
    this.#probing = true;
    return this.#probeTicket;
  }

  /** Permit for calls made while closed. Outcomes that arrive after the breaker has opened are ignored. */
  readonly #closedTicket: Ticket = {
    succeeded: () => {
      if (this.#retryAt === undefined) this.#failures = 0;
    },
    failed: () => {
      if (this.#retryAt !== undefined) return;
      this.#failures += 1;
      if (this.#failures < this.#options.failures) return;
      this.#retryAt = this.#clock.monotonic() + this.#options.pause;
      this.#events.onOpened();
    },
    unused: () => {
      // Nothing changes.
    },
  };

  readonly #probeTicket: Ticket = {
    succeeded: () => {
      this.#probing = false;
      this.#retryAt = undefined;
      this.#failures = 0;
      this.#events.onClosed();
    },
    failed: () => {
      this.#probing = false;
      this.#retryAt = this.#clock.monotonic() + this.#options.pause;
    },
    unused: () => {
      this.#probing = false;
    },
  };
}
