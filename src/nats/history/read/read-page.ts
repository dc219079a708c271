import type { HistoryQuery } from "../../../core/history.js";
import { selectPage } from "../../../history/select-messages.js";
import type { NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import type { ClassStream } from "../streams/class-stream.js";
import { readBackward } from "./backward-reader.js";
import { readForward } from "./forward-reader.js";
import type { SubjectReader } from "./subject-reader.js";

export interface PageRange extends HistoryQuery {
  /** Sequences between which the messages are, both inclusive. */
  readonly first: number;
  readonly last: number;
}

/** Most messages and bytes of one read. */
const STEP_MESSAGES = 256;
const STEP_BYTES = 4 * 1_024 * 1_024;

/** Reads a page of a topic's messages. @throws CarillonError unavailable */
export async function readPage(
  reader: SubjectReader,
  stream: ClassStream,
  address: StreamAddress,
  range: PageRange,
): Promise<{ readonly messages: readonly NatsStoredMessage[]; readonly more: boolean }> {
  const wanted: NatsStoredMessage[] = [];
  const { bytes, from, last, limit, since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = range;
  let { first } = range;
  let pageBytes = 0;
  const isWanted = ({ isMark, time }: NatsStoredMessage): boolean => !isMark && time >= since && time <= until;
  if (from === "newest" && until === Number.POSITIVE_INFINITY) {
    return readBackward(reader, stream, address, { first, before: last + 1, since, messages: limit, bytes });
  }
  for (;;) {
    const step = { first, last, messages: STEP_MESSAGES, bytes: STEP_BYTES };
    const { messages, more } = await readForward(reader, address, step, stream.isReplicated ? "leader" : "any");
    for (const message of messages.filter(isWanted)) {
      wanted.push(message);
      pageBytes += message.payload.length;
      if (from === "newest" && wanted.length > limit + 1) pageBytes -= wanted.shift()?.payload.length ?? 0;
    }
    const newest = messages.at(-1);
    const isFull = from === "oldest" && (wanted.length > limit || pageBytes > bytes);
    if (!more || newest === undefined || newest.time > until || isFull) return selectPage(wanted, range);
    first = newest.sequence + 1;
  }
}
