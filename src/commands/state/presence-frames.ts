import type { Encoding } from "../../core/ports.js";
import type { PresenceChange } from "../../presence/presence.js";

/** Most members that one frame tells of. */
const MOST_MEMBERS = 1_000;

/** The frames that tell of a change: made once for each encoding, and shared by all who are told of it. */
export class PresenceFrames {
  readonly #made = new WeakMap<PresenceChange, Map<Encoding, readonly Uint8Array[]>>();

  /** In several frames where it is about many; none where the encoding has no words for it. */
  of(change: PresenceChange, topic: string, encoding: Encoding): readonly Uint8Array[] {
    const made = this.#made.get(change) ?? new Map<Encoding, readonly Uint8Array[]>();
    this.#made.set(change, made);
    let frames = made.get(encoding);
    if (frames === undefined) {
      frames = [...framesOf(change, topic, encoding)];
      made.set(encoding, frames);
    }
    return frames;
  }
}

/** Who has left comes first: somebody who has come back as another user is in both. */
function* framesOf({ count, joined, left }: PresenceChange, topic: string, encoding: Encoding): Generator<Uint8Array> {
  const all = left.length + joined.length;
  for (let begin = 0; begin < all; begin += MOST_MEMBERS) {
    const end = begin + MOST_MEMBERS;
    const frame = encoding.presenceFrame({
      topic,
      count,
      left: left.slice(begin, end),
      joined: joined.slice(Math.max(0, begin - left.length), Math.max(0, end - left.length)),
    });
    if (frame !== undefined) yield frame;
  }
}
