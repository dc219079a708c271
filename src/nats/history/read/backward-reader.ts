import type { NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import type { ClassStream } from "../streams/class-stream.js";
import { type ForwardResult, readForward } from "./forward-reader.js";
import type { ReadFrom, SubjectReader } from "./subject-reader.js";

/** Messages of a topic that are read from the newest backwards, within limits. */
export interface BackwardRange {
  /** Sequence at which the range begins. */
  readonly first: number;
  /** Sequence before which the messages are. */
  readonly before: number;
  /** Oldest time, in milliseconds since the epoch; undefined for any. */
  readonly since: number | undefined;
  /** Sequence of the newest message of the topic that is known to be in the range; 0 for none. */
  readonly known: number;
  /** Maximum number of messages. */
  readonly messages: number;
  /** Maximum number of bytes of their payloads. */
  readonly bytes: number;
}

/** Maximum number of messages of one forward read. */
const STEP_MESSAGES = 1_024;
const STEP_BYTES = 8 * 1_024 * 1_024;

/**
 * Reads the newest messages of a range, oldest first.
 * @throws CarillonError unavailable
 */
export async function readBackward(
  reader: SubjectReader,
  stream: ClassStream,
  address: StreamAddress,
  range: BackwardRange,
): Promise<ForwardResult> {
  const result = await readNewest(reader, address, range, "any");
  // A replica that lags lacks the newest messages.
  if (!stream.isReplicated || result.through >= range.known) return result;
  return readNewest(reader, address, range, "leader");
}

async function readNewest(
  reader: SubjectReader,
  address: StreamAddress,
  { before, bytes, first: begin, messages: wanted, since = Number.NEGATIVE_INFINITY }: BackwardRange,
  from: ReadFrom,
): Promise<ForwardResult & { readonly through: number }> {
  let newest: readonly NatsStoredMessage[] = [];
  let first = begin;
  let isCut = false;
  for (;;) {
    const range = { first, last: before - 1, messages: STEP_MESSAGES, bytes: STEP_BYTES };
    const { messages, more } = await readForward(reader, address, range, from);
    const usable = messages.filter(({ isMark, time }) => !isMark && time >= since);
    const all = [...newest, ...usable];
    newest = newestWithin(all, wanted, bytes);
    isCut ||= newest.length < all.length;
    first = (messages.at(-1)?.sequence ?? first - 1) + 1;
    if (!more || messages.length === 0) return { messages: newest, more: isCut, through: first - 1 };
  }
}

function newestWithin(messages: readonly NatsStoredMessage[], most: number, maxBytes: number) {
  let count = 0;
  let bytes = 0;
  while (count < Math.min(most, messages.length)) {
    bytes += messages[messages.length - 1 - count]?.payload.length ?? 0;
    if (bytes > maxBytes && count > 0) break;
    count += 1;
  }
  return messages.slice(messages.length - count);
}
