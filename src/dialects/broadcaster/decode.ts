import { invalidArgument } from "../../errors.js";
import { isObject } from "../../util/json.js";
import { findValueText } from "../../util/raw-json.js";
import { explainNoJson, type Fields, parseJson, payloadOfValue } from "../json.js";

export interface Request {
  /** JSON text as the client sent it; undefined for a notification, to which only errors are sent. */
  readonly id: string | undefined;
  readonly method: string;
  readonly params: unknown;
  /** JSON text of the whole request as the client sent it. */
  readonly text: string;
}

type Decoded =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly id: string | undefined; readonly why: string };

/** Message to be published. */
export interface BroadcasterPublication {
  readonly channel: string;
  readonly event: string;
  readonly payload: Uint8Array;
}

/**
 * Names that Broadcaster allows by `^([\w-]+:?)*\w$`. The expression is rewritten without ambiguity, because the original
 * backtracks: each further character of an invalid name doubles its time.
 */
const CHANNEL = /^[\w-]+(?::[\w-]+)*(?<!-)$/;

/** Longest name as a topic, in bytes; names are ASCII. */
const MAX_CHANNEL_BYTES = 255;

/** Returns whether a topic is a valid channel of Broadcaster. */
export function isBroadcasterChannel(name: string): boolean {
  return name.length <= MAX_CHANNEL_BYTES && CHANNEL.test(name);
}

/** Reads one frame of a client. Any object whose members have the right types is a request. */
export function decodeBroadcasterFrame(text: string): Decoded {
  const frame = parseJson(text);
  if (!isObject(frame)) return { ok: false, id: undefined, why: explainNoJson(text, "not a JSON object") };
  const { params } = frame;
  const id = frame["id"] ?? 0;
  const method = frame["method"] ?? "";
  if (!isInteger(id)) return { ok: false, id: undefined, why: "id is not an integer" };
  const written = id === 0 ? undefined : findValueText(text, "id");
  if (typeof method !== "string") return { ok: false, id: written, why: "method is not a string" };
  return { ok: true, request: { id: written, method, params, text } };
}

/** Accepts integers of any size; JSON.parse reads those of more than 308 digits as infinite. */
function isInteger(id: unknown): boolean {
  return typeof id === "number" && (Number.isInteger(id) || !Number.isFinite(id));
}

/** @throws CarillonError invalid_argument */
export function readToken(params: unknown): string {
  return readText(toFields(params), "token");
}

/**
 * Reads the channel, whose name may be invalid.
 * @throws CarillonError invalid_argument
 */
export function readBroadcasterChannel(params: unknown): string {
  return readText(toFields(params), "channel");
}

/** @throws CarillonError invalid_argument */
export function readRequestedPublication({ params, text }: Request): BroadcasterPublication {
  return readPublication(params, findValueText(text, "params") ?? "{}");
}

/**
 * Reads a message to be published. {@link checkChannel} checks its channel. A payload other than a string is passed on as the
 * sender wrote it, of any depth and with all digits of its numbers.
 * @param written - JSON text of the params
 * @throws CarillonError invalid_argument
 */
export function readPublication(params: unknown, written: string): BroadcasterPublication {
  const fields = toFields(params);
  const channel = readText(fields, "channel");
  const event = (fields["event"] ?? undefined) === undefined ? "" : readText(fields, "event");
  const payload = payloadOfValue(fields["payload"], () => findValueText(written, "payload") ?? "null");
  return { channel, event, payload };
}

/** @throws CarillonError invalid_argument */
export function checkChannel(channel: string): void {
  if (!isBroadcasterChannel(channel)) throw invalidArgument("invalid channel");
}

/** Rights in a token, in Broadcaster's terms. */
export interface Rights {
  readonly scope: ReadonlySet<string>;
  readonly channels: ReadonlySet<string>;
}

/**
 * Reads the rights in a verified token. They only select the text of a refusal. Broadcaster distinguishes a missing scope
 * from a missing channel; permissions do not.
 */
export function readRights(token: string): Rights {
  const claims = parseJson(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
  const listAt = (name: string): ReadonlySet<string> => {
    const list = isObject(claims) ? claims[name] : undefined;
    return new Set(Array.isArray(list) ? list.filter((entry) => typeof entry === "string") : []);
  };
  return { scope: listAt("scope"), channels: listAt("authorizedChannels") };
}

function toFields(params: unknown): Fields {
  if (params === undefined || params === null) throw invalidArgument("missing params");
  if (!isObject(params)) throw invalidArgument("invalid params: not an object");
  return params;
}

function readText(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw invalidArgument(`invalid params: ${name} ${value === undefined ? "is missing" : "is not a string"}`);
}
