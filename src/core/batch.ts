import type { CountedFrames, Encoding } from "./ports.js";
import type { Topic } from "./topic.js";

/** Frames on their way to sessions, made once and shared by all recipients. */
export interface Batch {
  /** Complete frames in sequence. Immutable. */
  readonly bytes: Uint8Array;
  /** Replaces `bytes` where recipients share only parts of the frames: the parts in sequence. */
  readonly pieces: readonly Uint8Array[] | undefined;
  /** Total size in bytes. */
  readonly size: number;
  /** Batch with only the last message; undefined when there is one message, or when no policy needs it. */
  readonly last: Batch | undefined;
  /** Topic of the messages; undefined for an answer, which is never dropped. */
  readonly topic: Topic | undefined;
  /** Number of messages. */
  readonly messages: number;
  /**
   * Returns the batch renumbered so that its first message is number `count` of the session. Undefined if the
   * encoding does not number messages. Where it is defined, `bytes` holds templates.
   */
  readonly countedFrom: ((count: number) => Batch) | undefined;
  /** Frame of each message, where sessions may change it. */
  readonly frames?: readonly Uint8Array[] | undefined;
}

/** Topics that a session enters. */
export interface EnteredTopics {
  /** All topics of the join. */
  readonly all: readonly Topic[];
  /** Topics that the session was not in before. */
  readonly fresh: readonly Topic[];
  /** Exclusive group of the join; undefined for none. */
  readonly group: string | undefined;
}

/** Adds to the frames of one session what no other session may share, such as how far it has come. */
export interface SessionFrames {
  /**
   * Returns the session's frames of messages, one for each. Called in the order in which they are sent.
   * @param topic - undefined for messages for a user or a connection
   * @param frames - shared frames, one for each message
   * @returns undefined if the session gets the shared frames
   */
  personalize(topic: Topic | undefined, frames: readonly Uint8Array[]): readonly Uint8Array[] | undefined;
  /** Returns a frame that must be sent before an answer or notice that is sent now; undefined for none. */
  preceding(): Uint8Array | undefined;
  /** Called in the turn in which the session enters topics, before the join is answered. */
  onEntering(topics: EnteredTopics): void;
  /** Called after an open session has left a topic. */
  left(topic: Topic): void;
}

/** Wraps an answer to one session. */
export function answerBatch(bytes: Uint8Array): Batch {
  return createBatch(bytes, { topic: undefined, messages: 0 });
}

/** Joins the messages that a topic received in one turn of the event loop, nearly always one. */
export function messageBatch(
  topic: Topic,
  { countedFrames, personal }: Encoding,
  first: Uint8Array,
  more: readonly Uint8Array[] | undefined,
): Batch {
  if (personal === true) return personalBatch(topic, [first, ...(more ?? [])]);
  const countedFrom = countedFrames && renumber(topic, [first, ...(more ?? [])], countedFrames);
  if (more === undefined) return createBatch(first, { topic, messages: 1, countedFrom });
  const last = createBatch(more.at(-1) ?? first, { topic, messages: 1 });
  return createBatch(Buffer.concat([first, ...more]), { topic, messages: 1 + more.length, last, countedFrom });
}

/** Returns a session's own batch of messages, or the shared one. */
export function personalizeBatch(batch: Batch, session: SessionFrames): Batch {
  if (batch.frames !== undefined && batch.topic !== undefined) {
    const frames = session.personalize(batch.topic, batch.frames);
    return frames === undefined ? batch : personalBatch(batch.topic, frames);
  }
  const preceding = session.preceding();
  return preceding === undefined ? batch : answerBatch(Buffer.concat([preceding, ...piecesOf(batch)]));
}

/** Joins messages whose frames are kept for the sessions that change them. */
function personalBatch(topic: Topic, frames: readonly Uint8Array[]): Batch {
  const [only = NOTHING] = frames;
  const messages = frames.length;
  const last = messages === 1 ? undefined : createBatch(frames[messages - 1] ?? NOTHING, { topic, messages: 1 });
  return { frames, ...createBatch(messages === 1 ? only : Buffer.concat(frames), { topic, messages, last }) };
}

/** Bytes to write, in sequence. */
export function piecesOf({ bytes, pieces }: Batch): readonly Uint8Array[] {
  return pieces ?? [bytes];
}

type BatchFields = Pick<Batch, "topic" | "messages"> & Partial<Pick<Batch, "last" | "countedFrom">>;

function createBatch(bytes: Uint8Array, { countedFrom, last, messages, topic }: BatchFields): Batch {
  return { bytes, pieces: undefined, size: bytes.length, last, topic, messages, countedFrom };
}

/** Returns a renumbering function. Sessions at the same count share its result. */
function renumber(
  topic: Topic,
  templates: readonly Uint8Array[],
  countedFrames: CountedFrames,
): (count: number) => Batch {
  const made = new Map<number, Batch>();
  const framesFrom = countedFrames(templates);
  const messages = templates.length;
  // The policy `latest` may keep the last message only.
  const lastFrame = messages > 1 && topic.rules.slowConsumer === "latest" && countedFrames(templates.slice(-1));
  return (count) => {
    let batch = made.get(count);
    if (batch === undefined) {
      const last =
        lastFrame === false ? undefined : createBatchOfPieces(lastFrame(count + messages - 1), { topic, messages: 1 });
      batch = createBatchOfPieces(framesFrom(count), { topic, messages, last });
      made.set(count, batch);
    }
    return batch;
  };
}

function createBatchOfPieces(pieces: readonly Uint8Array[], fields: BatchFields): Batch {
  const [only = NOTHING] = pieces;
  if (pieces.length === 1) return createBatch(only, fields);
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  const { last, messages, topic } = fields;
  return { bytes: NOTHING, pieces, size, last, topic, messages, countedFrom: undefined };
}

const NOTHING = new Uint8Array(0);
