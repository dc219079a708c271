import type { Topic } from "./topic.js";

/** Frames on their way to sessions: made once, shared by every session that gets them. */
export interface Batch {
  /** Complete frames, one after the other. Nobody changes them. */
  readonly bytes: Uint8Array;
  /** The last of them alone. */
  readonly last: Uint8Array;
  /** Whose messages they are; undefined for an answer, which is never dropped. */
  readonly topic: Topic | undefined;
  /** How many messages they carry. */
  readonly messages: number;
}

/** An answer of one session. */
export function answerBatch(bytes: Uint8Array): Batch {
  return { bytes, last: bytes, topic: undefined, messages: 0 };
}

/** The messages of a topic that came in one turn. */
export function messageBatch(topic: Topic, frames: readonly Uint8Array[]): Batch {
  const last = frames.at(-1) ?? NOTHING;
  return { bytes: frames.length === 1 ? last : Buffer.concat(frames), last, topic, messages: frames.length };
}

const NOTHING = new Uint8Array(0);
