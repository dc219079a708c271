import type { Arrival } from "./arrival.js";

/** Maximum number of messages and bytes that wait while missing ones are read. */
const HELD_MESSAGES = 1_024;
const HELD_BYTES = 4 * 1_024 * 1_024;

/** Messages that arrived while missing ones are read. Stored ones beyond the bounds are dropped, and read later. */
export class HeldArrivals {
  #arrivals: Arrival[] = [];
  #bytes = 0;
  #overflowed = false;

  get oldest(): Arrival | undefined {
    return this.#arrivals[0];
  }

  /** Whether messages were dropped since the last read began. */
  get hasOverflowed(): boolean {
    return this.#overflowed;
  }

  /** @returns false where there is no room */
  push(arrival: Arrival): boolean {
    const { length } = arrival.plain.payload;
    // Messages after a dropped one are dropped too, so that the others stay in order.
    if (this.#overflowed || this.#arrivals.length >= HELD_MESSAGES || this.#bytes + length > HELD_BYTES) {
      this.#overflowed = true;
      return false;
    }
    this.#arrivals.push(arrival);
    this.#bytes += length;
    return true;
  }

  /** Begins a read, which includes all that was dropped. @returns the number of messages that arrived before it */
  begin(): number {
    this.#overflowed = false;
    return this.#arrivals.length;
  }

  /** The oldest ones. */
  first(count: number): readonly Arrival[] {
    return this.#arrivals.slice(0, count);
  }

  /** Removes the oldest ones. */
  remove(count: number): void {
    for (const { plain } of this.#arrivals.splice(0, count)) this.#bytes -= plain.payload.length;
  }

  clear(): void {
    this.#arrivals = [];
    this.#bytes = 0;
    this.#overflowed = false;
  }
}
