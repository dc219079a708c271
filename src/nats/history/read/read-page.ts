import type { HistoryQuery } from "../../../core/history.js";
import { selectPage } from "../../../history/select-messages.js";
import type { NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import type { ClassStream } from "../streams/class-stream.js";
import { readBackward } from "./backward-reader.js";
import { type ForwardResult, readForward } from "./forward-reader.js";
import type { ReadFrom, SubjectReader } from "./subject-reader.js";

/** A page's query, with its bounds as sequences of the stream. */
export interface PageRange extends HistoryQuery {
  /** Sequences between which the messages are, both inclusive. */
  readonly first: number;
  readonly last: number;
  /** Sequence of the newest message of the topic where it is in the range; 0 for none. */
  readonly known: number;
}

/** Maximum number of messages and bytes of one read. */
const STEP_MESSAGES = 256;
const STEP_BYTES = 4 * 1_024 * 1_024;

/** Reads a page of a topic's messages. @throws CarillonError unavailable */
export async function readPage(
  reader: SubjectReader,
  stream: ClassStream,
  address: StreamAddress,
  range: PageRange,
): Promise<ForwardResult> {
  if (range.from === "newest" && range.until === undefined) {
    const { bytes, first, known, last, limit, since } = range;
    return readBackward(reader, stream, address, { first, before: last + 1, known, since, messages: limit, bytes });
  }
  const page = await readFiltered(reader, address, range, "any");
  // A replica that lags lacks the newest messages.
  if (!stream.isReplicated || page.isFull || page.through >= range.known) return page;
  return readFiltered(reader, address, range, "leader");
}

async function readFiltered(
  reader: SubjectReader,
  address: StreamAddress,
  range: PageRange,
  readFrom: ReadFrom,
): Promise<ForwardResult & { readonly through: number; readonly isFull: boolean }> {
  const wanted: NatsStoredMessage[] = [];
  const { bytes, from, last, limit, since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = range;
  let { first } = range;
  let pageBytes = 0;
  const isWanted = ({ isMark, time }: NatsStoredMessage): boolean => !isMark && time >= since && time <= until;
  for (;;) {
    const step = {
      first,
      last,
      messages: from === "oldest" ? Math.min(STEP_MESSAGES, limit + 1) : STEP_MESSAGES,
      bytes: STEP_BYTES,
    };
    const { messages, more } = await readForward(reader, address, step, readFrom);
    for (const message of messages.filter(isWanted)) {
      wanted.push(message);
      pageBytes += message.payload.length;
      if (from === "newest" && wanted.length > limit + 1) pageBytes -= wanted.shift()?.payload.length ?? 0;
    }
    const newest = messages.at(-1);
    const isFull = (newest?.time ?? 0) > until || (from === "oldest" && (wanted.length > limit || pageBytes > bytes));
    first = (newest?.sequence ?? first - 1) + 1;
    if (!more || newest === undefined || isFull) return { ...selectPage(wanted, range), through: first - 1, isFull };
  }
}
