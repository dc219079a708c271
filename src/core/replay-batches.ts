import { type Batch, messageBatch } from "./batch.js";
import type { Message } from "./message.js";
import type { Encoding } from "./ports.js";
import type { EncodingGroup } from "./topic.js";

/** Maximum number of bytes of all kept batches of a node. */
const KEPT_BYTES = 32 * 1_024 * 1_024;

/** Largest batch that is kept: a replay of 4 MiB, the default limit, with its metadata. */
const KEPT_BATCH_BYTES = 8 * 1_024 * 1_024;

/** Frames that were made before the turn that sends them, by message. */
export type EncodedFrames = ReadonlyMap<Message, Uint8Array>;

/**
 * Encodes stored messages for clients that return. Many return at once, from few different positions, after a node or a network
 * has failed: those with equal replays share one batch.
 */
export class ReplayBatches {
  /** Batches by first and last position, which belong to one topic, for each encoding. The least recently made come first. */
  readonly #batches = new Map<string, Batch>();
  readonly #encodingIds = new WeakMap<Encoding, number>();
  #encodings = 0;
  #bytes = 0;

  /** Returns a kept batch; undefined if there is none. @param messages - at least one, in the order of the topic's log */
  find(encoding: Encoding, messages: readonly Message[]): Batch | undefined {
    return this.#batches.get(this.#keyOf(encoding, messages));
  }

  /**
   * Returns a kept batch, or makes one.
   * @param messages - as for {@link find}
   * @param frames - frames that were made before; the others are made now
   */
  batchFor(group: EncodingGroup, messages: readonly Message[], frames: EncodedFrames): Batch {
    const key = this.#keyOf(group.encoding, messages);
    const known = this.#batches.get(key);
    if (known !== undefined) return known;
    const [first = NOTHING, ...more] = messages.map((message) => frames.get(message) ?? group.makeFrame(message));
    const batch = messageBatch(group.topic, group.encoding, first, more.length === 0 ? undefined : more);
    if (batch.size <= KEPT_BATCH_BYTES) this.#keep(key, batch);
    return batch;
  }

  #keyOf(encoding: Encoding, messages: readonly Message[]): string {
    let id = this.#encodingIds.get(encoding);
    if (id === undefined) {
      this.#encodings += 1;
      id = this.#encodings;
      this.#encodingIds.set(encoding, id);
    }
    return `${id} ${messages[0]?.position} ${messages.at(-1)?.position}`;
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
