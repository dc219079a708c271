import { type CarillonError, type ErrorCode, HTTP_STATUS } from "../../errors.js";
import { membersText } from "../../util/raw-json.js";
import { payloadValue } from "../json.js";

/** What is said in events: names, and values as JSON text that is ready to be put where one stands. */

/** A value of an event; with bytes beside it, as base64, where it is their placeholder or has it in it. */
export interface Value {
  readonly text: string;
  readonly attachment?: string;
}

/** What Socket.IO takes for itself, on either side: a client drops its connection when such an event comes. */
const RESERVED: ReadonlySet<string> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);

const PLACEHOLDER = '{"_placeholder":true,"num":0}';

/** The name under which an event can be sent. */
export function sayable(event: string): string {
  return event === "" || RESERVED.has(event) ? "message" : event;
}

/** A payload as a value: what is not UTF-8 is an attachment (rule D3). */
export function toEventValue(payload: Uint8Array): Value {
  const { base64, text } = payloadValue(payload);
  return base64 ? { text: PLACEHOLDER, attachment: text.slice(1, -1) } : { text };
}

/** Members that are added to an answer of a worker. */
export interface Marks {
  /** JSON text; undefined for none. */
  readonly id: string | undefined;
  /** Whether it is the last one to its request. */
  readonly finished: boolean;
}

/** An object has the marks among its members, in the place of its own; anything else stands beside them, as `data`. */
export function marked({ attachment, text }: Value, { finished, id }: Marks): Value {
  const marks = [...(id === undefined ? [] : [`"_id":${id}`]), `"finished":${finished}`];
  const isObjectText = attachment === undefined && text.trimStart().startsWith("{");
  const members = isObjectText
    ? membersText(text, id === undefined ? ["finished"] : ["_id", "finished"])
    : `"data":${text}`;
  const all = [...(members === "" ? [] : [members]), ...marks].join(",");
  return { text: `{${all}}`, ...(attachment === undefined ? {} : { attachment }) };
}

/**
 * The value of the event `error`. `details` names the code in a word: front-ends decode it as a string, and show nothing of an
 * error whose details are anything else.
 * @param context - the event that was asked for; "" for none
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

/** The context of errors that are no event's. */
export const CONNECTION = "connection";

/** Why this side ends the connection. @param code - as the close frame of a WebSocket would have it */
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

/** For people who know nothing of codes. */
const HUMAN: Readonly<Record<ErrorCode, string>> = {
  cancelled: "This was cancelled.",
  invalid_argument: "This was not asked for in the right way.",
  deadline_exceeded: "This took too long. Please try again.",
  not_found: "This does not exist.",
  already_exists: "This exists already.",
  permission_denied: "You may not do this.",
  resource_exhausted: "This was too much. Please try again later.",
  failed_precondition: "This cannot be done now.",
  unimplemented: "This is not possible here.",
  internal: "Something went wrong on our side.",
  unavailable: "This is not available just now. Please try again later.",
  unauthenticated: "Please sign in first.",
};
