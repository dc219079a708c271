import type { Command, Outcome } from "../../commands/command.js";
import { CarillonError } from "../../errors.js";
import type { Received } from "../dialect.js";
import { answerText, type CommandId } from "./encode.js";

type Decoded = { readonly ok: true; readonly received: Received } | { readonly ok: false; readonly why: string };

type Fields = Readonly<Record<string, unknown>>;

type Build = (fields: Fields) => Command;

const COMMANDS: ReadonlyMap<string, Build> = new Map<string, Build>([
  [
    "join",
    (fields) => ({
      kind: "join",
      broker: brokerOf(fields),
      topics: topicsOf(fields),
      auth: optionalText(fields, "auth"),
      group: optionalText(fields, "group"),
      hidden: flagOf(fields, "hidden"),
      presence: flagOf(fields, "presence"),
    }),
  ],
  ["leave", (fields) => ({ kind: "leave", broker: brokerOf(fields), topics: topicsOf(fields) })],
  [
    "publish",
    (fields) => ({
      kind: "publish",
      broker: brokerOf(fields),
      topics: topicsOf(fields),
      payload: payloadOf(fields),
      event: textOf(fields, "event"),
      trigger: textOf(fields, "trigger"),
    }),
  ],
  [
    "call",
    (fields) => ({
      kind: "call",
      event: onlyTopicOf(fields),
      payload: payloadOf(fields),
      timeout: numberOf(fields, "timeout"),
    }),
  ],
  ["presence", (fields) => ({ kind: "presence", broker: brokerOf(fields), topics: topicsOf(fields) })],
  ["authenticate", (fields) => ({ kind: "authenticate", token: textOf(fields, "payload") })],
]);

/**
 * Reads one frame of a client. A frame that names a command is a command, and whatever is wrong with its other fields
 * refuses that command; any other frame is malformed.
 */
export function decode(text: string): Decoded {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return { ok: false, why: "the frame is not JSON" };
  }
  if (!isObject(frame)) return { ok: false, why: "the frame is not a JSON object" };
  const { command: name, id } = frame;
  if (name === undefined || name === "") return { ok: false, why: "the frame has no command" };
  if (typeof name !== "string") return { ok: false, why: "command: not a string" };
  const build = COMMANDS.get(name);
  if (build === undefined) {
    return { ok: false, why: `unknown command; known: ${[...COMMANDS.keys()].join(", ")}` };
  }
  if (!isCommandId(id)) return { ok: false, why: "id: neither a string nor a number" };

  const topics = isListOfStrings(frame["topics"]) ? frame["topics"] : [];
  const answer = (outcome: Outcome): string => answerText(name, topics, id, outcome);
  try {
    return { ok: true, received: { kind: "command", command: build(frame), answer } };
  } catch (cause) {
    const refusal = answer({ ok: false, error: CarillonError.from(cause) });
    return { ok: true, received: { kind: "refused", answer: refusal } };
  }
}

function brokerOf(fields: Fields): string {
  return textOf(fields, "broker");
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name] ?? "";
  if (typeof value !== "string") throw invalid(`${name}: not a string`);
  return value;
}

function optionalText(fields: Fields, name: string): string | undefined {
  return fields[name] === undefined ? undefined : textOf(fields, name);
}

function flagOf(fields: Fields, name: string): boolean | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === "boolean") return value;
  throw invalid(`${name}: neither true nor false`);
}

function numberOf(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === "number") return value;
  throw invalid(`${name}: not a number`);
}

/** A call's topic is the event that it is about. */
function onlyTopicOf(fields: Fields): string {
  const topics = topicsOf(fields);
  const [topic] = topics;
  if (topic === undefined || topics.length > 1)
    throw invalid(`topics: ${topics.length} of them, exactly one is needed`);
  return topic;
}

function topicsOf(fields: Fields): readonly string[] {
  const value = fields["topics"] ?? [];
  if (!isListOfStrings(value)) throw invalid("topics: not a list of strings");
  return value;
}

/** A string as its UTF-8, an object or a list as its JSON text. */
function payloadOf(fields: Fields): Uint8Array {
  const value = fields["payload"] ?? "";
  if (typeof value === "string") return Buffer.from(value);
  if (typeof value === "object") return Buffer.from(jsonText(value));
  throw invalid("payload: neither a string, an object nor a list");
}

/** Reading JSON takes any depth, writing it does not. */
function jsonText(value: object): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new CarillonError("invalid_argument", "payload: nested too deeply", { cause });
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListOfStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}

function isCommandId(value: unknown): value is CommandId | undefined {
  return value === undefined || typeof value === "string" || (typeof value === "number" && Number.isFinite(value));
}

function invalid(message: string): CarillonError {
  return new CarillonError("invalid_argument", message);
}
