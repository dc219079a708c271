import type { CountedFrame, Encoding } from "./ports.js";
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
  /**
   * Where each session counts what it is sent: the batch for a session whose next message is the so-manieth. What stands
   * above are templates then. Undefined: it is the same for all.
   */
  readonly countedFrom: ((count: number) => Batch) | undefined;
}

/** An answer of one session. */
export function answerBatch(bytes: Uint8Array): Batch {
  return { bytes, last: bytes, topic: undefined, messages: 0, countedFrom: undefined };
}

/** The messages of a topic that came in one turn, nearly always one. */
export function messageBatch(
  topic: Topic,
  { countedFrame }: Encoding,
  first: Uint8Array,
  more: readonly Uint8Array[] | undefined,
): Batch {
  const countedFrom = countedFrame && counting(topic, [first, ...(more ?? [])], countedFrame);
  if (more === undefined) return { bytes: first, last: first, topic, messages: 1, countedFrom };
  const bytes = Buffer.concat([first, ...more]);
  return { bytes, last: more.at(-1) ?? first, topic, messages: 1 + more.length, countedFrom };
}

/** Sessions that have got the same so far stand next to each other, and share what is made. */
function counting(
  topic: Topic,
  templates: readonly Uint8Array[],
  countedFrame: CountedFrame,
): (count: number) => Batch {
  let made: Batch | undefined;
  let madeFrom = 0;
  return (count) => {
    if (made === undefined || madeFrom !== count) {
      const frames = templates.map((template, position) => countedFrame(template, count + position));
      const [first = NOTHING] = frames;
      const last = frames.at(-1) ?? first;
      const bytes = frames.length === 1 ? first : Buffer.concat(frames);
      made = { bytes, last, topic, messages: frames.length, countedFrom: undefined };
      madeFrom = count;
    }
    return made;
  };
}

const NOTHING = new Uint8Array(0);
