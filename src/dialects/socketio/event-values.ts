import { type CarillonError, type ErrorCode, HTTP_STATUS } from "../../errors.js";
import { removeMembers } from "../../util/raw-json.js";
import { payloadValue } from "../json.js";

/** Names of events, and their values as JSON text. */

/** Value of an event as JSON text. If it contains a placeholder, the attachment is in base64. */
export interface Value {
  readonly text: string;
  readonly attachment?: string;
}

/** Names that Socket.IO reserves: a client drops its connection when such an event arrives. */
const RESERVED: ReadonlySet<string> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);

const PLACEHOLDER = '{"_placeholder":true,"num":0}';

/** Returns the name under which an event is sent: `message` if its own name is empty or reserved. */
export function toEventName(event: string): string {
  return event === "" || RESERVED.has(event) ? "message" : event;
}

/** Converts a payload to a value: bytes that are not UTF-8 are an attachment (rule D3). */
export function toEventValue(payload: Uint8Array): Value {
  const { base64, text } = payloadValue(payload);
  return base64 ? { text: PLACEHOLDER, attachment: text.slice(1, -1) } : { text };
}

/** Members that are added to a worker's answer. */
export interface AnswerFields {
  /** JSON text; undefined for none. */
  readonly id: string | undefined;
  /** Whether it is the last answer to its request. */
  readonly finished: boolean;
}

/** Adds the fields to an object; they replace its members of the same names. Any other value becomes the member `data`. */
export function addAnswerFields({ attachment, text }: Value, { finished, id }: AnswerFields): Value {
  const fields = [...(id === undefined ? [] : [`"_id":${id}`]), `"finished":${finished}`];
  const isObjectText = attachment === undefined && text.trimStart().startsWith("{");
  const members = isObjectText
    ? removeMembers(text, id === undefined ? ["finished"] : ["_id", "finished"])
    : `"data":${text}`;
  const all = [...(members === "" ? [] : [members]), ...fields].join(",");
  return { text: `{${all}}`, ...(attachment === undefined ? {} : { attachment }) };
}

/**
 * Returns the value of the event `error`. `details` is the name of the code, because front-ends decode it as a string and do
 * not show an error otherwise.
 * @param context - the requested event; "" for none
 * @param id - JSON text
 */
export function failureText({ code, message }: CarillonError, context: string, id = "null"): string {
  const failure = JSON.stringify({
    message,
    human: HUMAN[code],
    details: code,
    context,
    code: HTTP_STATUS[code],
  });
  return `${failure.slice(0, -1)},"_id":${id}}`;
}

/** Context of errors outside of events. */
export const CONNECTION = "connection";

/**
 * Returns the value of the event `error` that precedes the end of the connection.
 * @param code - as in a WebSocket's close frame
 */
export function endText(code: number, message: string): string {
  return JSON.stringify({
    message,
    human: "You were disconnected.",
    details: null,
    context: CONNECTION,
    code,
    _id: null,
  });
}

/** Texts of errors for end users. */
const HUMAN: Readonly<Record<ErrorCode, string>> = {
  cancelled: "This was cancelled.",
  invalid_argument: "This request is invalid.",
  deadline_exceeded: "This took too long. Please try again.",
  not_found: "This does not exist.",
  already_exists: "This already exists.",
  permission_denied: "You are not allowed to do this.",
  resource_exhausted: "A limit was reached. Please try again later.",
  failed_precondition: "This is not possible at the moment.",
  unimplemented: "This is not supported.",
  internal: "Something went wrong on our side.",
  unavailable: "This is temporarily unavailable. Please try again later.",
  unauthenticated: "Please sign in first.",
};
