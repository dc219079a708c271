import type { JoinedReplay } from "../../commands/command.js";
import type { RecoveryFailure } from "../../core/history.js";
import { readBatchIds } from "./batch-ids.js";
import { encodeId, type StreamBegin } from "./encode.js";
import { joinEntries, MAX_ID_LENGTH, toSuffix, toTopicKey } from "./event-id.js";

/** Maximum number of characters of one entry. */
const ENTRY_LENGTH = 70;

/** Frame that {@link StreamPositions.complete} replaces by the stream's id. */
export const ID_FRAME: Uint8Array = Buffer.from(":\n\n");

/**
 * Positions of one stream. The frames that all streams of a topic share have ids with the topic's own position. For a stream of
 * several topics the positions of the others are added, as of the moment of writing: so an id never names a message that has not
 * been written before it.
 */
export class StreamPositions {
  /** Entries of the stream's topics, by key. */
  readonly #entries = new Map<string, string>();
  /** Keys of the stream's topics. */
  readonly #keys: ReadonlySet<string>;
  /** Entries that hold once the stored messages have been written. */
  readonly #afterReplay = new Map<string, string>();

  constructor(topics: readonly string[]) {
    this.#keys = new Set(topics.map(toTopicKey));
  }

  /**
   * Takes the positions at the beginning of the stream. Messages that are replayed are not counted yet.
   * @param recover - positions after which messages are replayed
   * @param hasRewind - whether other topics may have stored messages to replay
   */
  begin(
    replays: ReadonlyMap<string, JoinedReplay>,
    recover: ReadonlyMap<string, string>,
    hasRewind: boolean,
  ): StreamBegin {
    const failures = new Map<string, RecoveryFailure>();
    for (const [topic, { failure, position, requested }] of replays) {
      const key = toTopicKey(topic);
      if (failure !== undefined) failures.set(topic, failure);
      // An unknown position is an entry too, so that the client learns at its next connect that it may have missed messages.
      const hasEntry = position !== undefined || failure === "unavailable";
      if (!hasEntry) continue;
      const current = key + (position ?? "");
      if (failure === undefined && (requested || hasRewind)) {
        if (requested) this.#entries.set(key, key + (recover.get(topic) ?? ""));
        this.#afterReplay.set(key, current);
      } else this.#entries.set(key, current);
    }
    return { id: joinEntries(this.#entries.values()), failures };
  }

  /** Whether {@link ID_FRAME} is due after the stored messages. */
  get isReplaying(): boolean {
    return this.#afterReplay.size > 0;
  }

  /**
   * Completes the ids of frames that are written next.
   * @returns the bytes in sequence
   */
  complete(frames: Uint8Array): readonly Uint8Array[] {
    if (frames === ID_FRAME) return [this.#endReplay()];
    const batch = readBatchIds(frames);
    if (batch === undefined) return [frames];
    const { key } = batch;
    if (this.#keys.has(key)) {
      this.#entries.set(key, batch.lastEntry);
      this.#afterReplay.delete(key);
    }
    const suffix = this.#suffixWithout(key);
    return suffix === "" ? [frames] : batch.withSuffix(suffix);
  }

  #endReplay(): Uint8Array {
    for (const [key, entry] of this.#afterReplay) this.#entries.set(key, entry);
    this.#afterReplay.clear();
    return Buffer.from(encodeId(joinEntries(this.#entries.values())));
  }

  #suffixWithout(key: string): string {
    if (this.#entries.size === 1 && this.#entries.has(key)) return "";
    const others: string[] = [];
    for (const [each, entry] of this.#entries) if (each !== key) others.push(entry);
    return toSuffix(others, MAX_ID_LENGTH - ENTRY_LENGTH);
  }
}
