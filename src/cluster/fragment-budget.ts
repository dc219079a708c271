/** Most bytes of unfinished words of all nodes together: two of the largest. */
const MOST_BYTES = 64 << 20;

/** A word of which some parts have come. */
export interface UnfinishedMessageFragments {
  /** The node that sends it. */
  readonly from: string;
  /** Bytes that it takes. */
  bytes: number;
  /** Forgets it. */
  readonly lose: () => void;
}

/**
 * Bounds what is kept of unfinished words, of all nodes and joiners together. Beyond 64 MiB the word that has not grown
 * for the longest time is lost: its sender may have stopped in the middle of it. Whoever waits for it is answered as if
 * its node had said nothing.
 */
export class FragmentBudget {
  readonly #onLost: (node: string) => void;
  /** The one that has grown last is the last. */
  readonly #words = new Set<UnfinishedMessageFragments>();
  #bytes = 0;
  #lost = 0;

  /** @param onLost - told of the sender of a word that was lost */
  constructor(onLost: (node: string) => void) {
    this.#onLost = onLost;
  }

  /** Bytes of all unfinished words together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Words that were lost. */
  get lost(): number {
    return this.#lost;
  }

  grow(word: UnfinishedMessageFragments, bytes: number): void {
    this.#words.delete(word);
    this.#words.add(word);
    word.bytes += bytes;
    this.#bytes += bytes;
    // A single word is smaller than the bound, so the one that has just grown stays.
    for (const oldest of this.#words) {
      if (this.#bytes <= MOST_BYTES) return;
      this.release(oldest);
      oldest.lose();
      this.#lost += 1;
      this.#onLost(oldest.from);
    }
  }

  /** The word is whole, or forgotten. */
  release(word: UnfinishedMessageFragments): void {
    if (this.#words.delete(word)) this.#bytes -= word.bytes;
  }
}
