import type { Encoding } from "../../core/ports.js";
import type { PresenceChange } from "../../presence/presence.js";
import { MAX_LISTED_MEMBERS } from "../command.js";

/** Encodes each presence change once for each encoding. Watchers share the frames. */
export class PresenceFrames {
  readonly #made = new WeakMap<PresenceChange, Map<Encoding, readonly Uint8Array[]>>();

  /** Returns a change's frames: several for many members, and none where the encoding does not support presence. */
  of(change: PresenceChange, topic: string, encoding: Encoding): readonly Uint8Array[] {
    const made = this.#made.get(change) ?? new Map<Encoding, readonly Uint8Array[]>();
    this.#made.set(change, made);
    let frames = made.get(encoding);
    if (frames === undefined) {
      frames = [...encodeFrames(change, topic, encoding)];
      made.set(encoding, frames);
    }
    return frames;
  }
}

/** Encodes members that left first, because a member that returned as another user is in both lists. */
function* encodeFrames(
  { count, joined, left }: PresenceChange,
  topic: string,
  encoding: Encoding,
): Generator<Uint8Array> {
  const all = left.length + joined.length;
  for (let begin = 0; begin < all; begin += MAX_LISTED_MEMBERS) {
    const end = begin + MAX_LISTED_MEMBERS;
    const frame = encoding.presenceFrame({
      topic,
      count,
      left: left.slice(begin, end),
      joined: joined.slice(Math.max(0, begin - left.length), Math.max(0, end - left.length)),
    });
    if (frame !== undefined) yield frame;
  }
}
