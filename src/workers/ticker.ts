import type { Clock } from "../core/ports.js";

/** Time between two looks at what is under way, in milliseconds. */
export const DISPATCH_TICK = 250;

/**
 * Looks at what is under way while there is any: one timer for all tasks, however many. What is too old is told by the
 * number of looks and not by the clock, so that a process which was frozen does not take everybody else for dead.
 */
export class Ticker {
  readonly #clock: Clock;
  readonly #look: () => boolean;
  #cancel: (() => void) | undefined;

  /** @param look - returns whether there is anything to look at later */
  constructor(clock: Clock, look: () => boolean) {
    this.#clock = clock;
    this.#look = look;
  }

  /** There is something under way. */
  wake(): void {
    this.#cancel ??= this.#clock.after(DISPATCH_TICK, this.#tick);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  readonly #tick = (): void => {
    this.#cancel = undefined;
    if (this.#look()) this.wake();
  };
}

/** Looks after which so much time has passed at least. */
export function toTicks(milliseconds: number): number {
  return Math.ceil(milliseconds / DISPATCH_TICK) + 1;
}
