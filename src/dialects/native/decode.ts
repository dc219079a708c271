import type { Command, Outcome } from "../../commands/command.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import { isObject } from "../../util/json.js";
import { findValueTexts } from "../../util/raw-json.js";
import type { Received } from "../dialect.js";
import { explainNoJson, type Fields, hasLoneSurrogate, parseJson } from "../json.js";
import { answerText, malformedText, pongText } from "./encode.js";
import { readHistoryQuery, readReplay } from "./replay-fields.js";

/** Members of a frame, with the JSON texts of those that JSON.parse would not preserve. */
interface Frame {
  readonly fields: Fields;
  /** JSON text; undefined for a command without an id. */
  readonly id: string | undefined;
  /** JSON text; undefined for no payload, and for a string. */
  readonly payload: string | undefined;
  /** Whether the client receives metadata of messages, and positions. */
  readonly withMetadata: boolean;
}

type Build = (frame: Frame) => Command;

const COMMANDS: ReadonlyMap<string, Build> = new Map<string, Build>([
  [
    "join",
    ({ fields, withMetadata }) => ({
      kind: "join",
      broker: readText(fields, "broker"),
      topics: readTopics(fields),
      auth: optionalText(fields, "auth"),
      group: optionalText(fields, "group"),
      hidden: readFlag(fields, "hidden"),
      presence: readFlag(fields, "presence"),
      replay: readReplay(fields, withMetadata),
    }),
  ],
  ["leave", ({ fields }) => ({ kind: "leave", broker: readText(fields, "broker"), topics: readTopics(fields) })],
  [
    "publish",
    ({ fields, payload }) => ({
      kind: "publish",
      broker: readText(fields, "broker"),
      topics: readTopics(fields),
      payload: toPayload(fields, payload),
      event: readText(fields, "event"),
      trigger: readText(fields, "trigger"),
      messageId: readText(fields, "message_id"),
    }),
  ],
  [
    "call",
    ({ fields, payload }) => ({
      kind: "call",
      event: readOnlyTopic(fields),
      payload: toPayload(fields, payload),
      timeout: readNumber(fields, "timeout"),
    }),
  ],
  ["presence", ({ fields }) => ({ kind: "presence", broker: readText(fields, "broker"), topics: readTopics(fields) })],
  [
    "history",
    (frame) => ({
      kind: "history",
      broker: readText(frame.fields, "broker"),
      topics: readTopics(frame.fields),
      query: readHistoryQuery(frame.fields),
    }),
  ],
  ["authenticate", ({ fields }) => ({ kind: "authenticate", token: readText(fields, "payload") })],
  ["ping", () => ({ kind: "idle" })],
]);

/** Command that older clients send. Their server has ignored it for a long time. */
const IGNORED = "headers";

const UNKNOWN = `unknown command; known: ${[...COMMANDS.keys()].join(", ")}`;

/**
 * Reads one frame of a client. A frame with a known command is refused if its other fields are invalid. A frame with an
 * unknown command counts as a command and is answered with an error. Any other frame is malformed.
 */
export function decodeNativeFrame(text: string, withMetadata: boolean): Received {
  const fields = parseJson(text);
  if (fields === undefined) return malformed(explainNoJson(text, "the frame is not JSON"));
  if (!isObject(fields)) return malformed("the frame is not a JSON object");
  const command = fields["command"] ?? undefined;
  if (command === undefined) return malformed("the frame has no command");
  if (typeof command !== "string") return malformed("command: not a string");
  if (command === IGNORED) return idle(() => undefined);
  if (command === "") return idle(() => malformedText("the frame has no command"));
  const build = COMMANDS.get(command);
  if (build === undefined) {
    return idle((outcome) => malformedText(outcome.ok ? UNKNOWN : outcome.error.message));
  }
  if (!isCommandId(fields["id"])) return malformed("id: neither a string nor a number");
  return read(command, build, readFrame(fields, text, withMetadata));
}

function read(name: string, build: Build, frame: Frame): Received {
  const { fields, id } = frame;
  const topics = isListOfStrings(fields["topics"]) ? fields["topics"] : [];
  const answer = (outcome: Outcome): string =>
    name === "ping" && outcome.ok ? pongText(id) : answerText(name, topics, id, outcome);
  try {
    return { kind: "command", command: build(frame), answer };
  } catch (cause) {
    return { kind: "refused", answer: answer({ ok: false, error: CarillonError.from(cause) }) };
  }
}

/** Reads the members. The JSON text is searched only for values that parsing may have changed. */
function readFrame(fields: Fields, text: string, withMetadata: boolean): Frame {
  const { id, payload } = fields;
  const isWritten = typeof payload !== "string" && (payload ?? undefined) !== undefined;
  const isIdWritten = typeof id === "number" || (typeof id === "string" && text.includes("\\"));
  if (!isIdWritten && !isWritten) {
    return { fields, id: typeof id === "string" ? JSON.stringify(id) : undefined, payload: undefined, withMetadata };
  }
  const [idText, payloadText] = findValueTexts(text, ["id", "payload"]);
  return {
    fields,
    id: id === null ? undefined : idText,
    payload: isWritten ? payloadText : undefined,
    withMetadata,
  };
}

/** Reads a string; null and an absent member are "". */
function readText(fields: Fields, name: string): string {
  const value = fields[name] ?? "";
  if (typeof value !== "string") throw invalidArgument(`${name}: not a string`);
  return value;
}

function optionalText(fields: Fields, name: string): string | undefined {
  return (fields[name] ?? undefined) === undefined ? undefined : readText(fields, name);
}

function readFlag(fields: Fields, name: string): boolean | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || typeof value === "boolean") return value;
  throw invalidArgument(`${name}: neither true nor false`);
}

function readNumber(fields: Fields, name: string): number | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || typeof value === "number") return value;
  throw invalidArgument(`${name}: not a number`);
}

/** Reads the only topic of a call, which is the name of its event. */
function readOnlyTopic(fields: Fields): string {
  const topics = readTopics(fields);
  const [topic] = topics;
  if (topic === undefined || topics.length > 1)
    throw invalidArgument(`topics: expected exactly one, got ${topics.length}`);
  return topic;
}

function readTopics(fields: Fields): readonly string[] {
  const value = fields["topics"] ?? [];
  if (!isListOfStrings(value)) throw invalidArgument("topics: not a list of strings");
  return value;
}

/** Returns a string as UTF-8, or the JSON text of any other value as sent. */
function toPayload(fields: Fields, written: string | undefined): Uint8Array {
  if (written !== undefined) return Buffer.from(written);
  const value = readText(fields, "payload");
  if (hasLoneSurrogate(value)) throw invalidArgument("payload: not valid Unicode");
  return Buffer.from(value);
}

function isListOfStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}

function isCommandId(value: unknown): boolean {
  return value === undefined || value === null || typeof value === "string" || typeof value === "number";
}

/** Treats a frame without a valid command as a command that does nothing, so that it counts towards the rate limits. */
function idle(answer: (outcome: Outcome) => string | undefined): Received {
  return { kind: "command", command: { kind: "idle" }, answer };
}

function malformed(why: string): Received {
  return { kind: "malformed", answer: malformedText(why) };
}
