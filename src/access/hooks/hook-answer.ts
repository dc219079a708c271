import { labelProblem, topicProblem } from "../../core/topic-name.js";
import { CarillonError, type ErrorCode, GRPC_STATUS } from "../../errors.js";
import { findJsonProblem } from "../../util/find-json-problem.js";
import { isObject } from "../../util/json.js";
import type { UncheckedChanges, UncheckedHttpRefusal, UncheckedRefusal } from "./hook-caller.js";
import { headerProblem } from "./http-header.js";
import { HttpRefusal } from "./http-refusal.js";

/** Invalid answer of a backend. The text is for operators. */
export class MalformedAnswer extends Error {
  override readonly name = "MalformedAnswer";
}

/** Changes to an allowed client. Undefined members change nothing. */
export interface HookChanges {
  /** At connect only. */
  readonly user: string | undefined;
  /** JSON text of an object. */
  readonly info: string | undefined;
  /** Topics that the server joins on the client's behalf on the default broker. */
  readonly topics: readonly string[];
  /** In milliseconds since the epoch. */
  readonly expires: number | undefined;
}

export const NO_CHANGES: HookChanges = { user: undefined, info: undefined, topics: [], expires: undefined };

/** Maximum number of topics in one answer. */
const MAX_TOPICS = 1_000;
/** Maximum length of info, in characters of JSON. Bounded because it stays in memory while the session lasts. */
const MAX_INFO = 16_384;
const MAX_HEADERS = 64;
/** Maximum total length of header names and values, in characters. */
const MAX_HEADER_TEXT = 8_192;
const MAX_BODY = 65_536;

/** Checks the changes in an answer. @throws MalformedAnswer */
export function checkChanges({ expires, info, topics, user }: UncheckedChanges): HookChanges {
  if (user !== undefined) rejectIf("user", labelProblem(user));
  if (info !== undefined) rejectIf("info", infoProblem(info));
  if (topics.length > MAX_TOPICS) rejectIf("topics", `has ${topics.length} entries, the limit is ${MAX_TOPICS}`);
  for (const [position, topic] of topics.entries()) rejectIf(`topics[${position}]`, topicProblem(topic));
  if (expires !== undefined && !Number.isFinite(expires)) rejectIf("expires", "is not a valid time");
  return { user: user === "" ? undefined : user, info, topics, expires };
}

function infoProblem(text: string): string | undefined {
  if (text.length > MAX_INFO) return `is longer than ${MAX_INFO}`;
  try {
    const info: unknown = JSON.parse(text);
    return isObject(info) ? findJsonProblem(info) : "is not an object";
  } catch {
    return "is not JSON";
  }
}

/** Checks the refusal of a connection. Its default status is 403. @throws MalformedAnswer */
export function createHttpRefusal({ body, headers, status }: UncheckedHttpRefusal): HttpRefusal {
  if (status !== 0 && !(status >= 300 && status <= 599)) rejectIf("status", `${status} is not in the range 300 to 599`);
  if (body.length > MAX_BODY) rejectIf("body", `is ${body.length} bytes, the limit is ${MAX_BODY}`);
  if (headers.length > MAX_HEADERS) rejectIf("headers", `has ${headers.length} entries, the limit is ${MAX_HEADERS}`);
  let text = 0;
  for (const [position, { name, value }] of headers.entries()) {
    rejectIf(`headers[${position}]`, headerProblem(name, value));
    text += name.length + value.length;
  }
  if (text > MAX_HEADER_TEXT) rejectIf("headers", `exceed ${MAX_HEADER_TEXT} characters in total`);
  return new HttpRefusal({ status: status || 403, headers: headers.map(({ name, value }) => [name, value]), body });
}

/** Maximum length of the refusal's text for the client, in characters. Longer texts are truncated. */
const MAX_TEXT = 1_024;

/** Creates the error of a backend's refusal. An unknown code becomes permission_denied, so that the client is still refused. */
export function createRefusal({ code, message }: UncheckedRefusal): CarillonError {
  const known = Object.hasOwn(GRPC_STATUS, code) ? (code as ErrorCode) : "permission_denied";
  return new CarillonError(known, message === "" ? "refused by the backend" : message.slice(0, MAX_TEXT));
}

function rejectIf(field: string, problem: string | undefined): void {
  if (problem !== undefined) throw new MalformedAnswer(`invalid answer: ${field} ${problem}`);
}
