import type { Message } from "../../core/message.js";
import type { CarillonError, ErrorCode } from "../../errors.js";
import { COUNT, type MessageEncoding } from "../dialect.js";
import { payloadValue } from "../json.js";

/** Broadcaster's names of errors. It has none for limits, and none for temporary failures. */
const CODES: Readonly<Record<ErrorCode, string>> = {
  cancelled: "Internal",
  invalid_argument: "InvalidArgument",
  deadline_exceeded: "Internal",
  not_found: "NotFound",
  already_exists: "AlreadyExists",
  permission_denied: "PermissionDenied",
  resource_exhausted: "FailedPrecondition",
  failed_precondition: "FailedPrecondition",
  unimplemented: "Internal",
  internal: "Internal",
  unavailable: "Internal",
  unauthenticated: "Unauthenticated",
};

/** Fields of a message that clients receive. */
export type BroadcasterMessageFields = Pick<Message, "id" | "event" | "time" | "payload">;

/** Encodes broadcasts. `seq` is the count of each connection. All connections share the text before and after it. */
export const broadcasterEncoding: MessageEncoding = {
  topicText: (topic) => JSON.stringify(topic),
  text: (message, channel) => `{"method":"broadcast","params":${encodeMessage(message, channel, COUNT)}}`,
  counted: true,
  // Clients see a gap in `seq`.
  laggedText: () => undefined,
  presenceText: () => undefined,
};

/** Encodes a message as JSON for its publisher. Its `seq` is 0, because the answer does not count as a delivered message. */
export function messageText(channel: string, message: BroadcasterMessageFields): string {
  return encodeMessage(message, JSON.stringify(channel), "0");
}

/** @param id, result - JSON texts */
export function resultText(id: string, result: string): string {
  return `{"requestId":${id},"result":${result}}`;
}

/** Encodes an error as a frame; without an id for a notification. */
export function broadcasterErrorText(id: string | undefined, error: CarillonError): string {
  const requestId = id === undefined ? "" : `"requestId":${id},`;
  return `{${requestId}"error":${errorObject(error)}}`;
}

/** Encodes an error as a JSON object. */
export function errorObject({ code, message }: Pick<CarillonError, "code" | "message">): string {
  return JSON.stringify({ code: CODES[code], message });
}

/** Formats a time as in RFC 3339, in UTC. @param time - milliseconds since the epoch */
export function timestamp(time: number): string {
  return new Date(time).toISOString();
}

/** @param channel - JSON text */
function encodeMessage({ event, id, payload, time }: BroadcasterMessageFields, channel: string, seq: string): string {
  const { base64, text } = payloadValue(payload);
  const begin = `{"id":${JSON.stringify(id)},"seq":${seq},"createTime":"${timestamp(time)}","channel":${channel}`;
  const eventText = JSON.stringify(event);
  return `${begin},"event":${eventText},"payload":${text}${base64 ? ',"encoding":"base64"' : ""}}`;
}
