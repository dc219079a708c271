import type { Clock } from "../core/ports.js";

/** Interval of the ticks, in milliseconds. */
export const DISPATCH_TICK = 250;

/**
 * Checks the tasks in progress while there are any, with one timer for all of them. Age is counted in ticks instead of time,
 * so that a process that was frozen does not consider its peers dead.
 */
export class Ticker {
  readonly #clock: Clock;
  readonly #check: () => boolean;
  #cancel: (() => void) | undefined;

  /** @param check - returns whether any task is left to check on the next tick */
  constructor(clock: Clock, check: () => boolean) {
    this.#clock = clock;
    this.#check = check;
  }

  /** Starts the timer, because a task has begun. */
  wake(): void {
    this.#cancel ??= this.#clock.after(DISPATCH_TICK, this.#tick);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  readonly #tick = (): void => {
    this.#cancel = undefined;
    if (this.#check()) this.wake();
  };
}

/** Converts a time to the number of ticks after which at least that time has passed. */
export function toTicks(milliseconds: number): number {
  return Math.ceil(milliseconds / DISPATCH_TICK) + 1;
}
