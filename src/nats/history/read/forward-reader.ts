import type { NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import type { ReadFrom, SubjectReader } from "./subject-reader.js";

export interface ForwardRange {
  /** Sequence at which reading begins. */
  readonly first: number;
  /** Sequence at which it ends, inclusive; undefined: at the newest message. */
  readonly last?: number | undefined;
  /** Most messages. At least 1. */
  readonly messages: number;
  /** Most bytes of their payloads. At least one message is read, if there is one. */
  readonly bytes: number;
}

export interface ForwardResult {
  /** In the order of the log. */
  readonly messages: readonly NatsStoredMessage[];
  /** Whether there are further messages in the range. */
  readonly more: boolean;
}

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
    const message = await reader.next(address, sequence, from);
    if (message === undefined || message.sequence > last) return { messages, more: false };
    bytes += message.payload.length;
    if (messages.length >= maxMessages || (bytes > maxBytes && messages.length > 0)) return { messages, more: true };
    messages.push(message);
    sequence = message.sequence + 1;
  }
}
