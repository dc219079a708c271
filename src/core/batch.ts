import type { CountedFrames, Encoding } from "./ports.js";
import type { Topic } from "./topic.js";

/** Frames on their way to sessions: made once, shared by every session that gets them. */
export interface Batch {
  /** Complete frames, one after the other. Nobody changes them. */
  readonly bytes: Uint8Array;
  /** Where only parts of the frames are shared: these in the place of `bytes`, one after the other. */
  readonly pieces: readonly Uint8Array[] | undefined;
  /** Of all of it, in bytes. */
  readonly size: number;
  /** The last of its messages alone; undefined where it is the only one, or need not be taken out. */
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
  { countedFrames }: Encoding,
  first: Uint8Array,
  more: readonly Uint8Array[] | undefined,
): Batch {
  const countedFrom = countedFrames && counting(topic, [first, ...(more ?? [])], countedFrames);
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
  countedFrames: CountedFrames,
): (count: number) => Batch {
  const made = new Map<number, Batch>();
  const framesFrom = countedFrames(templates);
  const messages = templates.length;
  // Where that is all that may be left of it.
  const lastFrame = messages > 1 && topic.rules.slowConsumer === "latest" && countedFrames(templates.slice(-1));
  return (count) => {
    let batch = made.get(count);
    if (batch === undefined) {
      const last = lastFrame === false ? undefined : inPieces(lastFrame(count + messages - 1), { topic, messages: 1 });
      batch = inPieces(framesFrom(count), { topic, messages, last });
      made.set(count, batch);
    }
    return batch;
  };
}

function inPieces(pieces: readonly Uint8Array[], facts: Facts): Batch {
  const [only = NOTHING] = pieces;
  if (pieces.length === 1) return batchOf(only, facts);
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  const { last, messages, topic } = facts;
  return { bytes: NOTHING, pieces, size, last, topic, messages, countedFrom: undefined };
}

const NOTHING = new Uint8Array(0);
