import type { Clock } from "../core/ports.js";
import { ignore } from "../util/ignore.js";

/** Time between two requests, in milliseconds. */
const INTERVAL = 5_000;
/** Number of intervals that a process may leave one request without an answer. */
const LIMIT = 6;

/**
 * Finds out that a process no longer answers although it has not ended: something has stopped it, or its event loop is blocked.
 * Counts intervals instead of comparing times, so that a pause of this process or of the machine does not look like silence.
 */
export class LivenessCheck {
  readonly #clock: Clock;
  readonly #ask: () => Promise<unknown>;
  readonly #onSilent: () => void;
  #cancel: (() => void) | undefined;
  #isAnswered = false;
  /** Intervals since the last request. */
  #intervals = 0;

  /**
   * @param ask - sends a request, and resolves with the answer
   * @param onSilent - called once, after 30 seconds without an answer
   */
  constructor(clock: Clock, ask: () => Promise<unknown>, onSilent: () => void) {
    this.#clock = clock;
    this.#ask = ask;
    this.#onSilent = onSilent;
  }

  /** Begins the requests. Later calls change nothing. */
  start(): void {
    if (this.#cancel !== undefined) return;
    this.#request();
    this.#wait();
  }

  stop(): void {
    this.#cancel?.();
  }

  #request(): void {
    this.#isAnswered = false;
    this.#intervals = 0;
    this.#ask().then(() => {
      this.#isAnswered = true;
    }, ignore);
  }

  #wait(): void {
    this.#cancel = this.#clock.after(INTERVAL, () => {
      this.#intervals += 1;
      if (this.#isAnswered) this.#request();
      else if (this.#intervals === LIMIT) return this.#onSilent();
      this.#wait();
    });
  }
}
