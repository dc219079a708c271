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

/** The messages of a topic that came in one turn, nearly always one. */
export function messageBatch(topic: Topic, first: Uint8Array, more: readonly Uint8Array[] | undefined): Batch {
  if (more === undefined) return { bytes: first, last: first, topic, messages: 1 };
  const bytes = Buffer.concat([first, ...more]);
  return { bytes, last: more.at(-1) ?? first, topic, messages: 1 + more.length };
}
