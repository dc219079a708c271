import type { JoinedReplay } from "../../commands/command.js";
import type { RecoveryFailure } from "../../core/history.js";
import { encodeId, type StreamBegin } from "./encode.js";
import { joinEntries, MAX_ID_LENGTH, readKey, toSuffix, toTopicKey } from "./event-id.js";

/** Most characters of one entry. */
const ENTRY_LENGTH = 70;

/** Largest batch that is copied with its ids. Parts of a larger one are shared by all streams. */
const COPIED_BYTES = 4_096;

/** Number of texts by which streams share the ids of a batch. */
const MAX_SHARED = 64;

const ID_LINE = Buffer.from("\nid: ");
const LINE_FEED = 10;

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
    const batch = readBatch(frames);
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

/** Returns the ids of a batch; undefined for frames without ids. */
function readBatch(frames: Uint8Array): BatchIds | undefined {
  let batch = known.get(frames);
  if (batch === undefined) {
    batch = findIds(frames) ?? "none";
    known.set(frames, batch);
  }
  return batch === "none" ? undefined : batch;
}

const known = new WeakMap<Uint8Array, BatchIds | "none">();

/** Finds the ids of frames. No other line begins like an id, because lines of a payload begin with `data: `. */
function findIds(frames: Uint8Array): BatchIds | undefined {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  const ends: number[] = [];
  let last = "";
  for (let at = bytes.indexOf(ID_LINE); at !== -1; at = bytes.indexOf(ID_LINE, at + 1)) {
    const end = bytes.indexOf(LINE_FEED, at + ID_LINE.length);
    ends.push(end);
    last = bytes.toString("latin1", at + ID_LINE.length, end);
  }
  return ends.length === 0 ? undefined : new BatchIds(bytes, ends, last);
}

/** Frames of one topic with the ends of their ids. Shared by all streams of the topic. */
class BatchIds {
  readonly key: string;
  readonly lastEntry: string;
  readonly #bytes: Buffer;
  readonly #ends: readonly number[];
  /** Completed frames by the text that was added to their ids. */
  readonly #completed = new Map<string, readonly Uint8Array[]>();

  constructor(bytes: Buffer, ends: readonly number[], lastEntry: string) {
    this.key = readKey(lastEntry);
    this.lastEntry = lastEntry;
    this.#bytes = bytes;
    this.#ends = ends;
  }

  /** Returns the frames with the text added to each id. Streams with the same text share the bytes. */
  withSuffix(suffix: string): readonly Uint8Array[] {
    let pieces = this.#completed.get(suffix);
    if (pieces === undefined) {
      pieces = this.#insert(Buffer.from(suffix, "latin1"));
      if (this.#bytes.length <= COPIED_BYTES) pieces = [Buffer.concat(pieces)];
      if (this.#completed.size < MAX_SHARED) this.#completed.set(suffix, pieces);
    }
    return pieces;
  }

  #insert(suffix: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let begin = 0;
    for (const end of this.#ends) {
      pieces.push(this.#bytes.subarray(begin, end), suffix);
      begin = end;
    }
    pieces.push(this.#bytes.subarray(begin));
    return pieces;
  }
}
