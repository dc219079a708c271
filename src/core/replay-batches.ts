import { type Batch, messageBatch } from "./batch.js";
import type { Message } from "./message.js";
import type { EncodingGroup } from "./topic.js";

/** Most bytes of all kept batches of a node. */
const KEPT_BYTES = 16 * 1_024 * 1_024;

/** Largest batch that is kept. */
const KEPT_BATCH_BYTES = 1_024 * 1_024;

/**
 * Encodes stored messages for clients that return. Many return at once, from few different positions, after a node or a network
 * has failed: those with equal replays share one batch.
 */
export class ReplayBatches {
  /** Batches by first and last position, for each group. The least recently made come first. */
  readonly #batches = new Map<string, Batch>();
  readonly #groupIds = new WeakMap<EncodingGroup, number>();
  #groups = 0;
  #bytes = 0;

  /** @param messages - at least one, in the order of the topic's log */
  batchFor(group: EncodingGroup, messages: readonly Message[]): Batch {
    const key = `${this.#idOf(group)} ${messages[0]?.position} ${messages.at(-1)?.position}`;
    const known = this.#batches.get(key);
    if (known !== undefined) return known;
    const [first = NOTHING, ...more] = messages.map(group.makeFrame);
    const batch = messageBatch(group.topic, group.encoding, first, more.length === 0 ? undefined : more);
    if (batch.size <= KEPT_BATCH_BYTES) this.#keep(key, batch);
    return batch;
  }

  #idOf(group: EncodingGroup): number {
    let id = this.#groupIds.get(group);
    if (id === undefined) {
      this.#groups += 1;
      id = this.#groups;
      this.#groupIds.set(group, id);
    }
    return id;
  }

  #keep(key: string, batch: Batch): void {
    this.#batches.set(key, batch);
    this.#bytes += batch.size;
    for (const [oldest, { size }] of this.#batches) {
      if (this.#bytes <= KEPT_BYTES) return;
      this.#batches.delete(oldest);
      this.#bytes -= size;
    }
  }
}

const NOTHING = new Uint8Array(0);
