import type { Message } from "../../../core/message.js";
import type { NatsStoredMessage } from "../nats-stored-message.js";
import type { Arrival } from "./arrival.js";

/** Messages that were read and messages that arrived, in the order of the log. */
export interface MergedMessages {
  /** Stored messages, and in between those that do not belong to the log. */
  readonly messages: readonly (NatsStoredMessage | Message)[];
  /** Whether a message that precedes an arrived one was not read. */
  readonly isIncomplete: boolean;
  /** Number of arrived messages that had been delivered or read already. */
  readonly repeated: number;
}

/**
 * Merges what was read after a sequence with the messages that arrived before the read.
 * @param read - oldest first
 * @param held - in the order of arrival
 */
export function mergeMessages(
  read: readonly NatsStoredMessage[],
  held: readonly Arrival[],
  after: number,
): MergedMessages {
  const messages: (NatsStoredMessage | Message)[] = [];
  let next = 0;
  let through = after;
  let isIncomplete = false;
  let repeated = 0;
  const takeRead = (last: number): void => {
    for (let message = read[next]; message !== undefined && message.sequence <= last; message = read[next]) {
      messages.push(message);
      through = message.sequence;
      next += 1;
    }
  };
  for (const { plain, stored } of held) {
    if (stored === undefined) {
      messages.push(plain);
      continue;
    }
    const { isComplete, message, previous } = stored;
    takeRead(message.sequence);
    if (message.sequence <= through) {
      repeated += 1;
      continue;
    }
    if (previous > through || !isComplete) isIncomplete = true;
    messages.push(message);
    through = message.sequence;
  }
  takeRead(Number.POSITIVE_INFINITY);
  return { messages, isIncomplete, repeated };
}
