import type { Clock } from "../../core/ports.js";

export interface BreakerOptions {
  /** So many failures in a row open it. */
  readonly failures: number;
  /** Milliseconds until one call may try again. */
  readonly pause: number;
}

/** closed: calls are made; open: none is; half_open: one is under way that decides. */
export type BreakerState = "closed" | "open" | "half_open";

export interface BreakerEvents {
  onOpened(): void;
  onClosed(): void;
}

/** A call that may be made. Exactly one of its methods is to be called. */
export interface Ticket {
  succeeded(): void;
  failed(): void;
  /** It was never made, or nothing was learned from it. */
  unused(): void;
}

/** Keeps from calling a backend that fails: what waits for it would only wait, and it would not get better by it. */
export class CircuitBreaker {
  readonly #options: BreakerOptions;
  readonly #clock: Clock;
  readonly #events: BreakerEvents;
  #failures = 0;
  /** When a call may try again; undefined while closed. */
  #retry: number | undefined;
  #probing = false;

  constructor(options: BreakerOptions, clock: Clock, events: BreakerEvents) {
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
  }

  get state(): BreakerState {
    if (this.#retry === undefined) return "closed";
    return this.#probing ? "half_open" : "open";
  }

  /** @returns undefined when the call may not be made */
  enter(): Ticket | undefined {
    if (this.#retry === undefined) return this.#ordinary;
    if (this.#probing || this.#clock.monotonic() < this.#retry) return undefined;
    this.#probing = true;
    return this.#probe;
  }

  /** Of a call that was made while closed; what it tells later, when it is open, is old news. */
  readonly #ordinary: Ticket = {
    succeeded: () => {
      if (this.#retry === undefined) this.#failures = 0;
    },
    failed: () => {
      if (this.#retry !== undefined) return;
      this.#failures += 1;
      if (this.#failures < this.#options.failures) return;
      this.#retry = this.#clock.monotonic() + this.#options.pause;
      this.#events.onOpened();
    },
    unused: () => {
      // Nothing is known that was not known before.
    },
  };

  readonly #probe: Ticket = {
    succeeded: () => {
      this.#probing = false;
      this.#retry = undefined;
      this.#failures = 0;
      this.#events.onClosed();
    },
    failed: () => {
      this.#probing = false;
      this.#retry = this.#clock.monotonic() + this.#options.pause;
    },
    unused: () => {
      this.#probing = false;
    },
  };
}
