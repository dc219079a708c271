import type { CountedFrame, Encoding } from "./ports.js";
import type { Topic } from "./topic.js";

/** Frames on their way to sessions: made once, shared by every session that gets them. */
export interface Batch {
  /** Complete frames, one after the other. Nobody changes them. */
  readonly bytes: Uint8Array;
  /** Where only parts of the frames are shared: these in the place of `bytes`, one after the other. */
  readonly pieces: readonly Uint8Array[] | undefined;
  /** Of all of it, in bytes. */
  readonly size: number;
  /** The last of its messages alone; undefined where it is the only one. */
  readonly last: Batch | undefined;
  /** Whose messages they are; undefined for an answer, which is never dropped. */
  readonly topic: Topic | undefined;
  /** How many messages they carry. */
  readonly messages: number;
  /**
   * Where each session counts what it is sent: the batch for a session whose next message is the so-manieth. What stands
   * above are templates then. Undefined: it is the same for all.
   */
  readonly countedFrom: ((count: number) => Batch) | undefined;
}

/** An answer of one session. */
export function answerBatch(bytes: Uint8Array): Batch {
  return batchOf(bytes, { topic: undefined, messages: 0 });
}

/** The messages of a topic that came in one turn, nearly always one. */
export function messageBatch(
  topic: Topic,
  { countedFrame }: Encoding,
  first: Uint8Array,
  more: readonly Uint8Array[] | undefined,
): Batch {
  const countedFrom = countedFrame && counting(topic, [first, ...(more ?? [])], countedFrame);
  if (more === undefined) return batchOf(first, { topic, messages: 1, countedFrom });
  const last = batchOf(more.at(-1) ?? first, { topic, messages: 1 });
  return batchOf(Buffer.concat([first, ...more]), { topic, messages: 1 + more.length, last, countedFrom });
}

/** What is written to a session's peer. */
export function piecesOf({ bytes, pieces }: Batch): readonly Uint8Array[] {
  return pieces ?? [bytes];
}

type Facts = Pick<Batch, "topic" | "messages"> & Partial<Pick<Batch, "last" | "countedFrom">>;

function batchOf(bytes: Uint8Array, { countedFrom, last, messages, topic }: Facts): Batch {
  return { bytes, pieces: undefined, size: bytes.length, last, topic, messages, countedFrom };
}

/** Sessions that have got as many messages so far share what is made for that. */
function counting(
  topic: Topic,
  templates: readonly Uint8Array[],
  countedFrame: CountedFrame,
): (count: number) => Batch {
  const made = new Map<number, Batch>();
  const framesFrom = (count: number): Batch => {
    const frames = templates.map((template, position) => countedFrame(template, count + position));
    const last = frames.length === 1 ? undefined : joined(topic, frames.slice(-1), undefined);
    return joined(topic, frames, last);
  };
  return (count) => {
    let batch = made.get(count);
    if (batch === undefined) {
      batch = framesFrom(count);
      made.set(count, batch);
    }
    return batch;
  };
}

/** @param frames - each in its pieces: more than one where the larger part of it is shared */
function joined(topic: Topic, frames: readonly (readonly Uint8Array[])[], last: Batch | undefined): Batch {
  const messages = frames.length;
  const pieces = frames.flat();
  const [only = NOTHING] = pieces;
  if (pieces.length === 1) return batchOf(only, { topic, messages, last });
  // Nothing is shared of any of them: one write is better than many.
  if (pieces.length === messages) return batchOf(Buffer.concat(pieces), { topic, messages, last });
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  return { bytes: NOTHING, pieces, size, last, topic, messages, countedFrom: undefined };
}

const NOTHING = new Uint8Array(0);
