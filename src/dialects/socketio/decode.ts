import { invalidArgument } from "../../errors.js";
import { isObject } from "../../util/json.js";
import { findSecondElement, findValueText, removeMembers } from "../../util/raw-json.js";
import { explainNoJson, type Fields, hasLoneSurrogate, parseJson } from "../json.js";

/** Event from a client. */
export interface SocketIoRequestEvent {
  readonly event: string;
  /** Parsed argument; undefined for none. */
  readonly argument: unknown;
  /** JSON text of the argument as the client sent it. JSON.parse would lose digits, the order of members, and duplicates. */
  readonly text: string;
  /** Reason to refuse the event; undefined if it is well-formed. */
  readonly problem?: string;
  /** Binary attachments, for which the argument contains placeholders. */
  readonly attachments: readonly Uint8Array[];
}

/** Members and JSON text of an argument that is an object. */
interface ObjectArgument {
  readonly fields: Fields;
  readonly text: string;
}

/** Longest name of an event, in characters. */
const MAX_EVENT = 255;

const INTEGER = /^-?\d+$/;

/**
 * Reads an event, `["name", argument]`.
 * @returns the event, or the reason why the text is not one
 */
export function readEvent(text: string, attachments: readonly Uint8Array[]): SocketIoRequestEvent | string {
  const value = parseJson(text);
  if (!Array.isArray(value)) return explainNoJson(text, "the packet is not a JSON list");
  const [event, argument] = value as readonly unknown[];
  if (typeof event !== "string") return "the event has no name";
  const request = { event, argument, text: findSecondElement(text) ?? "", attachments };
  // The name is not repeated, because it may be very long.
  if (event.length > MAX_EVENT)
    return { ...request, event: "", problem: `the event's name is longer than ${MAX_EVENT} characters` };
  return value.length > 2 ? { ...request, problem: "an event takes at most one argument" } : request;
}

/** Reads the members of an event's argument, which is an object or the JSON text of one. @throws CarillonError invalid_argument */
export function readEventFields(request: SocketIoRequestEvent): Fields {
  const object = objectIn(request);
  if (object === undefined) throw invalidArgument("expected an object, or its JSON text");
  return object.fields;
}

function objectIn({ argument, text }: SocketIoRequestEvent): ObjectArgument | undefined {
  const isText = typeof argument === "string";
  const fields = isText ? parseJson(argument) : argument;
  return isObject(fields) ? { fields, text: isText ? argument : text } : undefined;
}

/** Returns the JSON text of the `_id` to echo, as the client sent it; undefined for none, and for null. */
export function echoedId(request: SocketIoRequestEvent): string | undefined {
  const object = objectIn(request);
  return object === undefined ? undefined : writtenMember(object, "_id");
}

/**
 * Reads the token of an elevation: the member `token`, or the argument itself.
 * @throws CarillonError invalid_argument
 */
export function readElevationToken(request: SocketIoRequestEvent): string {
  const object = objectIn(request);
  if (object !== undefined) return readTokenText(object.fields["token"]);
  if (typeof request.argument === "number") throw invalidArgument(`${request.text.slice(0, MAX_EVENT)} is not a token`);
  return readTokenText(request.argument);
}

function readTokenText(token: unknown): string {
  if (typeof token !== "string" || token === "") throw invalidArgument("token: a token is required");
  return token;
}

/**
 * Reads a request's own token; undefined for none, and for null.
 * @throws CarillonError invalid_argument when the value is not a token
 */
export function readRequestToken(request: SocketIoRequestEvent): string | undefined {
  const token = objectIn(request)?.fields["token"];
  if (token === undefined || token === null) return undefined;
  return readTokenText(token);
}

export function readEventTopics(fields: Fields): readonly string[] {
  const { topics } = fields;
  if (!Array.isArray(topics) || !topics.every((topic) => typeof topic === "string")) {
    throw invalidArgument("topics: not a list of strings");
  }
  return topics;
}

/** Reads the group to spectate: `{"guild_id":…,"include_logs":…}`, or the id alone. */
export function readSpectateRequest(request: SocketIoRequestEvent): { readonly id: string; readonly logs: boolean } {
  const object = objectIn(request);
  if (object === undefined) return { id: groupId(request.argument, request.text), logs: false };
  const { fields } = object;
  const logs = fields["include_logs"] ?? false;
  if (typeof logs !== "boolean") throw invalidArgument("include_logs: neither true nor false");
  return { id: groupId(fields["guild_id"], writtenMember(object, "guild_id")), logs };
}

/** Reads an id, with the digits of a number as they were sent: JSON.parse would turn an id beyond 2^53 into another. */
function groupId(id: unknown, text = ""): string {
  if (typeof id === "string" && id !== "") return id;
  if (typeof id === "number" && INTEGER.test(text)) return text;
  throw invalidArgument("guild_id: neither a string nor an integer");
}

/** Returns the JSON text of a member; undefined for none, and for null. */
function writtenMember({ fields, text }: ObjectArgument, name: string): string | undefined {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return value === undefined || value === null ? undefined : findValueText(text, name);
}

/** Returns the payload of a task: the characters of a string, unchanged bytes, or the JSON text of any other value as sent. */
export function payloadOfEvent(request: SocketIoRequestEvent): Uint8Array {
  const { argument, attachments, text } = request;
  if (typeof argument === "string" && !hasLoneSurrogate(argument)) return Buffer.from(argument);
  return attachments.length > 0 ? toBytes(argument, attachments) : Buffer.from(text);
}

/** Returns the payload of a task without the request's own token, which workers must not see. */
export function payloadWithoutToken(request: SocketIoRequestEvent): Uint8Array {
  if (request.attachments.length > 0)
    throw invalidArgument("bytes are allowed only as the whole payload, not inside it");
  return Buffer.from(`{${removeMembers(objectIn(request)?.text ?? "{}", ["token"])}}`);
}

/**
 * Returns the one attachment of an event. Bytes among other values are refused, because a task's payload is either bytes or
 * JSON.
 */
function toBytes(argument: unknown, attachments: readonly Uint8Array[]): Uint8Array {
  const [bytes, ...more] = attachments;
  const isAlone = isObject(argument) && argument["_placeholder"] === true && argument["num"] === 0;
  if (bytes === undefined || more.length > 0 || !isAlone)
    throw invalidArgument("bytes are allowed only as the whole payload, not inside it");
  return bytes;
}
