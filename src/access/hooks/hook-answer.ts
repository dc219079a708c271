import { labelFault, topicFault } from "../../core/topic-name.js";
import { CarillonError, type ErrorCode, GRPC_STATUS } from "../../errors.js";
import { findJsonFault } from "../../util/find-json-fault.js";
import { isObject } from "../../util/json.js";
import type { GivenChanges, GivenHttpRefusal, GivenRefusal } from "./hook-caller.js";
import { headerFault } from "./http-header.js";
import { HttpRefusal } from "./http-refusal.js";

/** What a backend has answered cannot be meant: a failure of the backend, whose text is for operators. */
export class MalformedAnswer extends Error {
  override readonly name = "MalformedAnswer";
}

/** What is changed of an allowed client. What is undefined leaves things as they are. */
export interface HookChanges {
  /** Only at connect. */
  readonly user: string | undefined;
  /** JSON text of an object. */
  readonly info: string | undefined;
  /** To be joined on the client's behalf through the default broker. */
  readonly topics: readonly string[];
  /** In milliseconds since the epoch. */
  readonly expires: number | undefined;
}

export const NO_CHANGES: HookChanges = { user: undefined, info: undefined, topics: [], expires: undefined };

/** Most topics that one answer may join a client to. */
const MAX_TOPICS = 1_000;
/** Kept for as long as the session lives; characters of JSON. */
const MAX_INFO = 16_384;
const MAX_HEADERS = 64;
/** Of names and values; characters. */
const MAX_HEADER_TEXT = 8_192;
const MAX_BODY = 65_536;

/** @throws MalformedAnswer */
export function checkChanges({ expires, info, topics, user }: GivenChanges): HookChanges {
  if (user !== undefined) refuse("user", labelFault(user));
  if (info !== undefined) refuse("info", infoFault(info));
  if (topics.length > MAX_TOPICS) refuse("topics", `are ${topics.length}, the limit is ${MAX_TOPICS}`);
  for (const [position, topic] of topics.entries()) refuse(`topics[${position}]`, topicFault(topic));
  if (expires !== undefined && !Number.isFinite(expires)) refuse("expires", "is no time");
  return { user: user === "" ? undefined : user, info, topics, expires };
}

function infoFault(text: string): string | undefined {
  if (text.length > MAX_INFO) return `is longer than ${MAX_INFO}`;
  try {
    const info: unknown = JSON.parse(text);
    return isObject(info) ? findJsonFault(info) : "is not an object";
  } catch {
    return "is not JSON";
  }
}

/** @throws MalformedAnswer */
export function httpRefusal({ body, headers, status }: GivenHttpRefusal): HttpRefusal {
  if (status !== 0 && !(status >= 300 && status <= 599)) refuse("status", `${status} is not from 300 to 599`);
  if (body.length > MAX_BODY) refuse("body", `is ${body.length} bytes, the limit is ${MAX_BODY}`);
  if (headers.length > MAX_HEADERS) refuse("headers", `are ${headers.length}, the limit is ${MAX_HEADERS}`);
  let text = 0;
  for (const [position, { name, value }] of headers.entries()) {
    refuse(`headers[${position}]`, headerFault(name, value));
    text += name.length + value.length;
  }
  if (text > MAX_HEADER_TEXT) refuse("headers", `are longer than ${MAX_HEADER_TEXT} characters`);
  return new HttpRefusal({ status: status || 403, headers: headers.map(({ name, value }) => [name, value]), body });
}

/** Longest text of a refusal that a client is told, in characters. */
const MAX_TEXT = 1_024;

/** A refusal is one whatever its words are: with a code that is none it is permission_denied. */
export function refusalError({ code, message }: GivenRefusal): CarillonError {
  const known = Object.hasOwn(GRPC_STATUS, code) ? (code as ErrorCode) : "permission_denied";
  return new CarillonError(known, message === "" ? "refused by the backend" : message.slice(0, MAX_TEXT));
}

function refuse(field: string, fault: string | undefined): void {
  if (fault !== undefined) throw new MalformedAnswer(`the answer's ${field} ${fault}`);
}
