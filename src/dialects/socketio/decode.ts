import { type Fields, isObject, jsonText, parseJson } from "../json.js";
import { invalid } from "./words.js";

/** An event of a client. */
export interface Asked {
  readonly event: string;
  /** What it says; undefined for nothing. */
  readonly argument: unknown;
  /** Why nothing is done for it. */
  readonly fault?: string;
  /** The bytes that its placeholders stand for. */
  readonly attachments: readonly Uint8Array[];
}

/** Longest name of an event, in characters. */
const MAX_EVENT = 255;

/**
 * Reads an event, `["name", argument]`.
 * @returns why it is none
 */
export function readEvent(text: string, attachments: readonly Uint8Array[]): Asked | string {
  const value = parseJson(text);
  if (!Array.isArray(value)) return "the packet is not a JSON list";
  const [event, argument] = value as readonly unknown[];
  if (typeof event !== "string") return "the event has no name";
  const asked = { event, argument, attachments };
  // Not repeated: it may be very long.
  if (event.length > MAX_EVENT)
    return { ...asked, event: "", fault: `the event's name is longer than ${MAX_EVENT} characters` };
  return value.length > 2 ? { ...asked, fault: "an event has one argument at most" } : asked;
}

/** The members of what an event says: an object, or JSON text of one. @throws CarillonError invalid_argument */
export function fieldsOf({ argument }: Asked): Fields {
  const value = typeof argument === "string" ? parseJson(argument) : argument;
  if (!isObject(value)) throw invalid("expected an object, or JSON text of one");
  return value;
}

/** The same where there may be another value in its place. */
export function fieldsIn({ argument }: Asked): Fields | undefined {
  const value = typeof argument === "string" ? parseJson(argument) : argument;
  return isObject(value) ? value : undefined;
}

/** JSON text of the `_id` that is echoed; undefined for none. @throws CarillonError invalid_argument: nested too deeply */
export function echoedId(asked: Asked): string | undefined {
  const id = fieldsIn(asked)?.["_id"];
  if (id === undefined) return undefined;
  const text = jsonText(id);
  if (text === undefined) throw invalid("_id: nested too deeply");
  return text;
}

export function tokenOf(fields: Fields): string {
  const { token } = fields;
  if (typeof token !== "string" || token === "") throw invalid("token: a token is needed");
  return token;
}

export function topicsOf(fields: Fields): readonly string[] {
  const { topics } = fields;
  if (!Array.isArray(topics) || !topics.every((topic) => typeof topic === "string")) {
    throw invalid("topics: not a list of strings");
  }
  return topics;
}

/** Which group to spectate: `{"guild_id":…,"include_logs":…}`, or the id alone. */
export function spectateOf(asked: Asked): { readonly id: string; readonly logs: boolean } {
  const { argument } = asked;
  const fields = fieldsIn(asked);
  if (fields === undefined) return { id: idOf(argument), logs: false };
  const logs = fields["include_logs"] ?? false;
  if (typeof logs !== "boolean") throw invalid("include_logs: neither true nor false");
  return { id: idOf(fields["guild_id"]), logs };
}

/** A number that JSON's readers round would name another group. */
function idOf(id: unknown): string {
  if (typeof id === "number") {
    if (!Number.isSafeInteger(id)) throw invalid("guild_id: too large for a number, send it as a string");
    return String(id);
  }
  if (typeof id !== "string" || id === "") throw invalid("guild_id: neither a string nor a number");
  return id;
}

/** What a worker gets: text as it is, bytes as they are, any other value as its JSON text. */
export function payloadOf({ argument, attachments }: Asked): Uint8Array {
  if (argument === undefined) return new Uint8Array(0);
  if (typeof argument === "string") return Buffer.from(argument);
  if (attachments.length > 0) return bytesOf(argument, attachments);
  const text = jsonText(argument);
  if (text === undefined) throw invalid("the payload is nested too deeply");
  return Buffer.from(text);
}

/** Bytes among other things would have to be written as something that they are not. */
function bytesOf(argument: unknown, attachments: readonly Uint8Array[]): Uint8Array {
  const [bytes, ...more] = attachments;
  const isAlone = isObject(argument) && argument["_placeholder"] === true && argument["num"] === 0;
  if (bytes === undefined || more.length > 0 || !isAlone)
    throw invalid("bytes may be the whole payload, not a part of one");
  return bytes;
}
