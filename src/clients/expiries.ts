import type { Clock } from "../core/ports.js";

/** Length of a slot, in milliseconds. All items of a slot are reported together, after its end. */
const SLOT_MS = 1_000;

/** Reports expired items. One timer serves all of them. */
export class ClientExpiries<T> {
  readonly #clock: Clock;
  readonly #onExpired: (items: readonly T[]) => void;
  /** Items by the end of their slot, in slots since the epoch. */
  readonly #due = new Map<number, Set<T>>();
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, onExpired: (items: readonly T[]) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** Adds an item. @param expires - in milliseconds since the epoch */
  add(item: T, expires: number): void {
    const slot = toSlot(expires);
    const due = this.#due.get(slot) ?? new Set();
    this.#due.set(slot, due);
    due.add(item);
    this.#cancelTimer ??= this.#clock.after(SLOT_MS, this.#sweep);
  }

  /** Removes an item. @param expires - the value passed to `add` */
  delete(item: T, expires: number): void {
    const slot = toSlot(expires);
    const due = this.#due.get(slot);
    due?.delete(item);
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
    const slots = [...this.#due.keys()].filter((slot) => slot * SLOT_MS <= now);
    const expired = slots.flatMap((slot) => [...(this.#due.get(slot) ?? [])]);
    for (const slot of slots) this.#due.delete(slot);
    if (expired.length > 0) this.#onExpired(expired);
    if (this.#due.size > 0) this.#cancelTimer ??= this.#clock.after(SLOT_MS, this.#sweep);
  };
}

function toSlot(expires: number): number {
  return Math.ceil(expires / SLOT_MS);
}
