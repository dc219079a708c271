import { CarillonError } from "../../errors.js";
import { type Fields, isObject, parseJson, payloadOf } from "../json.js";
import { isChannelName } from "./channel.js";

export interface Request {
  /** Undefined for a notification, which wants no answer but an error. */
  readonly id: number | undefined;
  readonly method: string;
  readonly params: unknown;
}

type Decoded =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly id: number | undefined; readonly why: string };

/** What is to be published. */
export interface Publication {
  readonly channel: string;
  readonly event: string;
  readonly payload: Uint8Array;
}

/** Reads one frame of a client. Whatever is an object and has no member of a wrong kind is a request. */
export function decode(text: string): Decoded {
  const frame = parseJson(text);
  if (!isObject(frame)) return { ok: false, id: undefined, why: "not a JSON object" };
  const { id = 0, method = "", params } = frame;
  if (id !== null && !Number.isSafeInteger(id)) return { ok: false, id: undefined, why: "id is no integer" };
  const wanted = id === 0 || id === null ? undefined : (id as number);
  if (typeof method !== "string") return { ok: false, id: wanted, why: "method is no string" };
  return { ok: true, request: { id: wanted, method, params } };
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

/**
 * What a client or a backend wants to have published; its channel is checked by `checkChannel`.
 * @throws CarillonError invalid_argument
 */
export function publicationOf(params: unknown): Publication {
  const fields = fieldsOf(params);
  const channel = textOf(fields, "channel");
  const event = textOf(fields, "event");
  const payload = payloadOf(fields["payload"] ?? null);
  if (payload === undefined) throw invalid("invalid params: payload is nested too deeply");
  return { channel, event, payload };
}

/** @throws CarillonError invalid_argument */
export function checkChannel(channel: string): void {
  if (!isChannelName(channel)) throw invalid("invalid channel");
}

function fieldsOf(params: unknown): Fields {
  if (params === undefined || params === null) throw invalid("missing params");
  if (!isObject(params)) throw invalid("invalid params: not an object");
  return params;
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw invalid(`invalid params: ${name} ${value === undefined ? "is missing" : "is no string"}`);
}

function invalid(message: string): CarillonError {
  return new CarillonError("invalid_argument", message);
}
