import { readKey } from "./event-id.js";

/** Largest batch that is copied with its ids, in bytes. Parts of a larger one are shared by all streams. */
const COPIED_BYTES = 4_096;

/** Number of texts by which streams share the ids of a batch. */
const MAX_SHARED = 64;

const ID_LINE = Buffer.from("\nid: ");
const LINE_FEED = 10;

/** Returns the ids in frames of one topic, which are found once for all streams; undefined for frames without ids. */
export function readBatchIds(frames: Uint8Array): BatchIds | undefined {
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
