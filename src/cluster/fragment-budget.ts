/** Maximum number of bytes of incomplete messages of all nodes together: two of the largest messages. */
const MAX_BYTES = 64 << 20;

/** A message of which some fragments have arrived. */
export interface UnfinishedMessageFragments {
  /** The sending node. */
  readonly from: string;
  /** Number of bytes in memory. */
  bytes: number;
  /** Called when the message is dropped. */
  readonly onDropped: () => void;
}

/**
 * Bounds the memory of incomplete messages of all nodes and reassemblers together. Beyond 64 MiB, the message that has
 * not grown for the longest time is dropped, because its sender may have stopped. A caller that waits for the message
 * treats its sender as a node that does not answer.
 */
export class FragmentBudget {
  readonly #onLost: (node: string) => void;
  /** Incomplete messages, in the order of their last growth. */
  readonly #messages = new Set<UnfinishedMessageFragments>();
  #bytes = 0;
  #lost = 0;

  /** @param onLost - called with the sender of each dropped message */
  constructor(onLost: (node: string) => void) {
    this.#onLost = onLost;
  }

  /** Number of bytes of all incomplete messages. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Number of dropped messages. */
  get lost(): number {
    return this.#lost;
  }

  grow(message: UnfinishedMessageFragments, bytes: number): void {
    this.#messages.delete(message);
    this.#messages.add(message);
    message.bytes += bytes;
    this.#bytes += bytes;
    // A single message is smaller than the limit, so the one that has just grown stays.
    for (const oldest of this.#messages) {
      if (this.#bytes <= MAX_BYTES) return;
      this.release(oldest);
      oldest.onDropped();
      this.#lost += 1;
      this.#onLost(oldest.from);
    }
  }

  /** Releases the bytes of a message that is complete or dropped. */
  release(message: UnfinishedMessageFragments): void {
    if (this.#messages.delete(message)) this.#bytes -= message.bytes;
  }
}
