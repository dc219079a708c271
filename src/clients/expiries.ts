import type { Clock } from "../core/ports.js";

/** Sessions are ended within so many milliseconds after their time: one timer serves all that end in it. */
const GRAIN = 1_000;

/** Ends things when their time has come, with one timer for all of them. */
export class ClientExpiries<T> {
  readonly #clock: Clock;
  readonly #onExpired: (things: readonly T[]) => void;
  /** By the end of the grain that they expire in, in units of a grain. */
  readonly #due = new Map<number, Set<T>>();
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, onExpired: (things: readonly T[]) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** @param expires - milliseconds since the epoch */
  add(thing: T, expires: number): void {
    const slot = slotOf(expires);
    const due = this.#due.get(slot) ?? new Set();
    this.#due.set(slot, due);
    due.add(thing);
    this.#cancelTimer ??= this.#clock.after(GRAIN, this.#sweep);
  }

  /** @param expires - as it was added */
  delete(thing: T, expires: number): void {
    const slot = slotOf(expires);
    const due = this.#due.get(slot);
    due?.delete(thing);
    if (due?.size === 0) this.#due.delete(slot);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#due.clear();
  }

  readonly #sweep = (): void => {
    this.#cancelTimer = undefined;
    const now = this.#clock.now();
    const slots = [...this.#due.keys()].filter((slot) => slot * GRAIN <= now);
    const expired = slots.flatMap((slot) => [...(this.#due.get(slot) ?? [])]);
    for (const slot of slots) this.#due.delete(slot);
    if (expired.length > 0) this.#onExpired(expired);
    if (this.#due.size > 0) this.#cancelTimer ??= this.#clock.after(GRAIN, this.#sweep);
  };
}

function slotOf(expires: number): number {
  return Math.ceil(expires / GRAIN);
}
