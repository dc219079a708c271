import type { Clock } from "../../../core/ports.js";
import type { LogSequencer } from "./log-sequencer.js";

/** Interval of the checks of one log, in milliseconds. */
const CHECK_INTERVAL = 10_000;
/** Minimum time between two rounds, in milliseconds, and maximum number of checks of a round. Bounds the requests of a node. */
const ROUND_INTERVAL = 100;
const ROUND_CHECKS = 10;

/**
 * Compares the logs of a node with the store, one after the other. This finds a lost message that no other has followed yet.
 */
export class LogChecks {
  readonly #clock: Clock;
  readonly #interval: number;
  /** Time of the next check by log. The order is that of the times. */
  readonly #due = new Map<LogSequencer, number>();
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, interval = CHECK_INTERVAL) {
    this.#clock = clock;
    this.#interval = interval;
  }

  add(log: LogSequencer): void {
    this.#due.set(log, this.#clock.monotonic() + this.#interval);
    this.#schedule();
  }

  remove(log: LogSequencer): void {
    this.#due.delete(log);
  }

  stop(): void {
    this.#due.clear();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #schedule(): void {
    if (this.#cancelTimer !== undefined) return;
    for (const time of this.#due.values()) {
      const wait = Math.max(ROUND_INTERVAL, time - this.#clock.monotonic());
      this.#cancelTimer = this.#clock.after(wait, this.#runRound);
      return;
    }
  }

  readonly #runRound = (): void => {
    this.#cancelTimer = undefined;
    const now = this.#clock.monotonic();
    let count = 0;
    for (const [log, time] of this.#due) {
      if (time > now || count === ROUND_CHECKS) break;
      count += 1;
      // Moves it to the end.
      this.#due.delete(log);
      this.#due.set(log, now + this.#interval);
      void log.check();
    }
    this.#schedule();
  };
}
