/** Number of recent messages among which a repeated one is recognized. */
const WINDOW = 32;

export type SequenceArrival = "next" | "misordered" | "duplicate";

/**
 * Follows the sequences that receivers get, in a fixed amount of memory: 8 bytes for each. A late message is misordered if it is the
 * first with its number, which is known for the last 32 of a sequence; an older one counts as misordered too.
 */
export class SequenceTracker {
  /** Highest number of each sequence. */
  readonly #highest: Uint32Array;
  /** Numbers received up to the highest one, which is the lowest bit. */
  readonly #received: Uint32Array;

  /** @param sequences - number of sequences */
  constructor(sequences: number) {
    this.#highest = new Uint32Array(sequences);
    this.#received = new Uint32Array(sequences);
  }

  /** @param sequence - index of the sequence @param number - number of the message, from 1 */
  add(sequence: number, number: number): SequenceArrival {
    const highest = this.#highest[sequence] ?? 0;
    const received = this.#received[sequence] ?? 0;
    if (number > highest) {
      const gap = number - highest;
      this.#received[sequence] = gap >= WINDOW ? 1 : (received << gap) | 1;
      this.#highest[sequence] = number;
      return "next";
    }
    const age = highest - number;
    if (age >= WINDOW) return "misordered";
    const bit = 1 << age;
    if ((received & bit) !== 0) return "duplicate";
    this.#received[sequence] = received | bit;
    return "misordered";
  }
}
