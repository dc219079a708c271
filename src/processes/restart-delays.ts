import type { Clock } from "../core/ports.js";

/** Run time after which an exit no longer counts as a failed start, in milliseconds. */
const GOOD_RUN = 10_000;
/** Delays of the second restart and of later ones, in milliseconds. */
const FIRST_DELAY = 500;
const MAX_DELAY = 30_000;

/** Delays between the restarts of a process: none after a long run, and twice as long after each short one. */
export class RestartDelays {
  readonly #clock: Clock;
  #startedAt = 0;
  #failures = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Number of runs since the last long one, including it. */
  get failures(): number {
    return this.#failures;
  }

  /** Notes the start of the process. */
  begin(): void {
    this.#startedAt = this.#clock.monotonic();
  }

  /** Notes the end of the process. @returns the delay before it is started again, in milliseconds */
  next(): number {
    if (this.#clock.monotonic() - this.#startedAt >= GOOD_RUN) this.#failures = 0;
    this.#failures += 1;
    return this.#failures === 1 ? 0 : Math.min(MAX_DELAY, FIRST_DELAY * 2 ** (this.#failures - 2));
  }

  /** Starts the process after a delay, unless it is cancelled. */
  wait(delay: number, start: () => void): void {
    this.#cancel = this.#clock.after(delay, start);
  }

  cancel(): void {
    this.#cancel?.();
  }
}
