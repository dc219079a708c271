import type { NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import type { ReadFrom, SubjectReader } from "./subject-reader.js";

/** Messages of a topic that are read from the oldest forwards, within limits. */
export interface ForwardRange {
  /** Sequence at which reading begins. */
  readonly first: number;
  /** Sequence at which it ends, inclusive; undefined: at the newest message. */
  readonly last?: number | undefined;
  /** Maximum number of messages. At least 1. */
  readonly messages: number;
  /** Maximum number of bytes of their payloads. At least one message is read, if there is one. */
  readonly bytes: number;
}

/** Messages of a range that have been read. */
export interface ForwardResult {
  /** In the order of the log. */
  readonly messages: readonly NatsStoredMessage[];
  /** Whether there are further messages in the range. */
  readonly more: boolean;
}

/** Maximum number of messages that are read one by one where a server has no batches, because a consumer costs about as much. */
const SINGLE_READS = 8;
/** Maximum number of messages and bytes of one request. */
const STEP_MESSAGES = 512;
const STEP_BYTES = 2 * 1_024 * 1_024;

/** Reads the messages of a subject in order. @throws CarillonError unavailable */
export async function readForward(
  reader: SubjectReader,
  address: StreamAddress,
  { bytes: maxBytes, first, last = Number.POSITIVE_INFINITY, messages: maxMessages }: ForwardRange,
  from: ReadFrom,
): Promise<ForwardResult> {
  const messages: NatsStoredMessage[] = [];
  let sequence = first;
  let bytes = 0;
  for (;;) {
    const most = Math.min(STEP_MESSAGES, maxMessages - messages.length + 1);
    const range = { first: sequence, last, messages: most, bytes: STEP_BYTES };
    const step = await readStep(reader, address, range, messages.length < SINGLE_READS, from);
    for (const message of step.messages) {
      bytes += message.payload.length;
      if (messages.length >= maxMessages || (bytes > maxBytes && messages.length > 0)) return { messages, more: true };
      messages.push(message);
      sequence = message.sequence + 1;
    }
    if (!step.more || step.messages.length === 0) return { messages, more: false };
    if (messages.length >= maxMessages) return { messages, more: true };
  }
}

async function readStep(
  reader: SubjectReader,
  address: StreamAddress,
  range: ForwardRange,
  few: boolean,
  from: ReadFrom,
): Promise<ForwardResult> {
  // Only single reads can be asked of the leader.
  const many = from === "any" ? await reader.many(address, range, few) : undefined;
  if (many !== undefined) return many;
  const message = await reader.next(address, range.first, from);
  if (message === undefined || message.sequence > (range.last ?? message.sequence))
    return { messages: [], more: false };
  return { messages: [message], more: true };
}
