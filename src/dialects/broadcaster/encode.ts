import type { Message } from "../../core/message.js";
import type { CarillonError, ErrorCode } from "../../errors.js";
import { COUNT, type MessageEncoding } from "../dialect.js";
import { payloadValue } from "../json.js";

/** What broadcaster calls what went wrong. It has no words for what comes of limits, nor for what may pass. */
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

/** What is told of a message. */
export type BroadcasterMessageFields = Pick<Message, "id" | "event" | "time" | "payload">;

/** Broadcasts. The connection's count stands where `seq` does: what is before and behind it is made once for all. */
export const broadcasterEncoding: MessageEncoding = {
  textMaker(topic) {
    const tellOf = messageTeller(topic, COUNT);
    return (message) => `{"method":"broadcast","params":${tellOf(message)}}`;
  },
  counted: true,
  // A gap in `seq` tells.
  laggedText: () => undefined,
  presenceText: () => undefined,
};

/** A message as JSON, to whoever published it: it has no number in any connection's count. */
export function messageText(channel: string, message: BroadcasterMessageFields): string {
  return messageTeller(channel, "0")(message);
}

/** @param id, result - JSON texts */
export function resultText(id: string, result: string): string {
  return `{"requestId":${id},"result":${result}}`;
}

/** Errors are told to whoever sent a notification, too: without an id then. */
export function broadcasterErrorText(id: string | undefined, error: CarillonError): string {
  const requestId = id === undefined ? "" : `"requestId":${id},`;
  return `{${requestId}"error":${errorObject(error)}}`;
}

/** As JSON text. */
export function errorObject({ code, message }: Pick<CarillonError, "code" | "message">): string {
  return JSON.stringify({ code: CODES[code], message });
}

/** RFC 3339, in UTC. @param time - milliseconds since the epoch */
export function timestamp(time: number): string {
  return new Date(time).toISOString();
}

function messageTeller(channel: string, seq: string): (message: BroadcasterMessageFields) => string {
  const channelText = JSON.stringify(channel);
  return ({ event, id, payload, time }) => {
    const { base64, text } = payloadValue(payload);
    const begin = `{"id":${JSON.stringify(id)},"seq":${seq},"createTime":"${timestamp(time)}","channel":${channelText}`;
    const eventText = JSON.stringify(event);
    return `${begin},"event":${eventText},"payload":${text}${base64 ? ',"encoding":"base64"' : ""}}`;
  };
}
