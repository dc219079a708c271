import { invalidArgument } from "../../errors.js";
import { isObject } from "../../util/json.js";
import { valueText } from "../../util/raw-json.js";
import { explainNoJson, type Fields, parseJson, payloadOfValue } from "../json.js";
import { isBroadcasterChannel } from "./channel.js";

export interface Request {
  /** JSON text, as the client wrote it; undefined for a notification, which wants no answer but an error. */
  readonly id: string | undefined;
  readonly method: string;
  readonly params: unknown;
  /** All of it, as it is written. */
  readonly text: string;
}

type Decoded =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly id: string | undefined; readonly why: string };

/** What is to be published. */
export interface BroadcasterPublication {
  readonly channel: string;
  readonly event: string;
  readonly payload: Uint8Array;
}

/** Reads one frame of a client. An object without a member of a wrong kind is a request. */
export function decodeBroadcasterFrame(text: string): Decoded {
  const frame = parseJson(text);
  if (!isObject(frame)) return { ok: false, id: undefined, why: explainNoJson(text, "not a JSON object") };
  const { params } = frame;
  const id = frame["id"] ?? 0;
  const method = frame["method"] ?? "";
  if (!isInteger(id)) return { ok: false, id: undefined, why: "id is not an integer" };
  const written = id === 0 ? undefined : valueText(text, "id");
  if (typeof method !== "string") return { ok: false, id: written, why: "method is not a string" };
  return { ok: true, request: { id: written, method, params, text } };
}

/** Integers of any size: those of more than 308 digits are read as infinite. */
function isInteger(id: unknown): boolean {
  return typeof id === "number" && (Number.isInteger(id) || !Number.isFinite(id));
}

/** @throws CarillonError invalid_argument */
export function tokenOf(params: unknown): string {
  return textOf(fieldsOf(params), "token");
}

/**
 * The channel that is named, whether it is a name or not.
 * @throws CarillonError invalid_argument
 */
export function channelOf(params: unknown): string {
  return textOf(fieldsOf(params), "channel");
}

/** @throws CarillonError invalid_argument */
export function publicationIn({ params, text }: Request): BroadcasterPublication {
  return publicationOf(params, valueText(text, "params") ?? "{}");
}

/**
 * What a client or a backend wants to have published; its channel is checked by `checkChannel`. A payload that is no string is
 * passed on as it is written: of any depth, with all digits of its numbers.
 * @param written - the params as they are written
 * @throws CarillonError invalid_argument
 */
export function publicationOf(params: unknown, written: string): BroadcasterPublication {
  const fields = fieldsOf(params);
  const channel = textOf(fields, "channel");
  const event = (fields["event"] ?? undefined) === undefined ? "" : textOf(fields, "event");
  const payload = payloadOfValue(fields["payload"], () => valueText(written, "payload") ?? "null");
  return { channel, event, payload };
}

/** @throws CarillonError invalid_argument */
export function checkChannel(channel: string): void {
  if (!isBroadcasterChannel(channel)) throw invalidArgument("invalid channel");
}

function fieldsOf(params: unknown): Fields {
  if (params === undefined || params === null) throw invalidArgument("missing params");
  if (!isObject(params)) throw invalidArgument("invalid params: not an object");
  return params;
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw invalidArgument(`invalid params: ${name} ${value === undefined ? "is missing" : "is not a string"}`);
}
