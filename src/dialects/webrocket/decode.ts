import type { Command } from "../../commands/command.js";
import { findJsonProblem } from "../../util/find-json-problem.js";
import { isObject } from "../../util/json.js";
import { findValueText, readFirstName } from "../../util/raw-json.js";
import { type Fields, parseJson } from "../json.js";
import { isPresenceChannel, isWebrocketChannel } from "./channel.js";
import type { WebrocketCode } from "./errors.js";

/** Command of a client, or its refusal. */
export type Decoded =
  | { readonly ok: true; readonly event: string; readonly command: Command }
  | { readonly ok: false; readonly code: WebrocketCode; readonly malformed: boolean };

/** Builds a command, or returns the code of a refusal. @param written - returns the value's JSON text */
type Build = (fields: Fields, written: () => string) => Command | WebrocketCode;

/** Largest info of a member, in bytes of JSON, the same as in a token. All nodes keep it while the member is present. */
const MAX_INFO = 4_096;

const EVENTS: ReadonlyMap<string, Build> = new Map<string, Build>([
  ["auth", ({ token }) => (isText(token) ? { kind: "authenticate", token } : 400)],
  [
    "subscribe",
    ({ channel, data, hidden }, written) => {
      const info = readInfoMember(data, () => findValueText(written(), "data"));
      if (!isText(channel) || info === undefined || !isFlag(hidden)) return 400;
      if (!isWebrocketChannel(channel)) return 454;
      const members = isPresenceChannel(channel);
      return {
        kind: "join",
        broker: "",
        topics: [channel],
        auth: undefined,
        group: undefined,
        hidden: hidden === true,
        presence: members ? true : undefined,
        info,
        once: true,
        listed: members,
      };
    },
  ],
  [
    "unsubscribe",
    ({ channel, data }, written) => {
      const leaveInfo = readInfoMember(data, () => findValueText(written(), "data"));
      if (!isText(channel) || leaveInfo === undefined) return 400;
      if (!isWebrocketChannel(channel)) return 454;
      return { kind: "leave", broker: "", topics: [channel], strict: true, leaveInfo };
    },
  ],
  [
    "broadcast",
    ({ channel, data, event, trigger }, written) => {
      if (!isText(channel) || !isEvent(event) || !isTrigger(trigger)) return 400;
      if (!isWebrocketChannel(channel)) return 454;
      return {
        kind: "publish",
        broker: "",
        topics: [channel],
        payload: toPayload(data, written),
        event,
        trigger: trigger ?? "",
        membersOnly: true,
      };
    },
  ],
  [
    "trigger",
    ({ data, event }, written) =>
      isEvent(event) ? { kind: "trigger", event, payload: toPayload(data, written) } : 400,
  ],
  ["pong", () => ({ kind: "idle" })],
  [
    "close",
    (fields, written) => {
      const leaveInfo = readInfoMember(fields, written);
      return leaveInfo === undefined ? 400 : { kind: "close", leaveInfo };
    },
  ],
]);

/** Reads one frame. Its first member is the event; other members are ignored. */
export function decodeWebrocketFrame(text: string): Decoded {
  const frame = parseJson(text);
  const event = isObject(frame) ? readFirstName(text) : undefined;
  const build = EVENTS.get(event ?? "");
  if (!isObject(frame) || event === undefined || build === undefined) return { ok: false, code: 400, malformed: true };
  const fields = frame[event];
  if (!isObject(fields)) return { ok: false, code: 400, malformed: false };
  const command = build(fields, () => findValueText(text, event) ?? "{}");
  return typeof command === "number" ? { ok: false, code: command, malformed: false } : { ok: true, event, command };
}

/**
 * Returns the data as the client sent it, of any depth and with all digits of its numbers; `{}` for data other than an
 * object.
 */
function toPayload(data: unknown, written: () => string): Uint8Array {
  return Buffer.from(isObject(data) ? (findValueText(written(), "data") ?? "{}") : "{}");
}

/**
 * Reads the info of a member as the client sent it; `{}` for data other than an object.
 * @returns undefined for data that is too large, or that some JSON parsers could not read
 */
function readInfoMember(data: unknown, written: () => string | undefined): string | undefined {
  if (!isObject(data)) return "{}";
  const text = written() ?? "{}";
  return Buffer.byteLength(text) > MAX_INFO || findJsonProblem(data) !== undefined ? undefined : text;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** Returns whether a value is a valid name of a client's event. Names that begin with a colon are reserved for the server. */
function isEvent(value: unknown): value is string {
  return isText(value) && !value.startsWith(":");
}

/** Returns whether a member is present. Many clients send null for an absent one. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isFlag(value: unknown): boolean {
  return !isGiven(value) || typeof value === "boolean";
}

/** Returns whether a value is a valid trigger, or absent. */
function isTrigger(value: unknown): value is string | null | undefined {
  return !isGiven(value) || value === "" || isEvent(value);
}
