import type { Outcome } from "../../src/commands/command.js";
import type { Conversation, Received } from "../../src/dialects/dialect.js";
import { NativeDialect } from "../../src/dialects/native/dialect.js";
import { RootsocketDialect } from "../../src/dialects/rootsocket/dialect.js";
import { SocketIoDialect } from "../../src/dialects/socketio/dialect.js";
import { WebrocketDialect } from "../../src/dialects/webrocket/dialect.js";
import { CarillonError } from "../../src/errors.js";
import { authenticated as broadcasterConversation } from "./broadcaster/support.js";

type Fields = Readonly<Record<string, unknown>>;

/** A command and its optional fields. */
interface OptionalFields {
  readonly command: string;
  readonly fields: Fields;
  readonly optional: readonly string[];
  /** Creates a frame with these fields. */
  readonly frame: (fields: Fields) => unknown;
}

interface DialectTable {
  readonly open: () => Conversation;
  readonly commands: readonly OptionalFields[];
}

const REQUEST = { query: new URLSearchParams(), connectionId: "0123456789ab.1" };

function native(command: string, fields: Fields, optional: readonly string[]): OptionalFields {
  return { command, fields, optional: ["id", ...optional], frame: (given) => ({ command, ...given }) };
}

/** Fields of the request itself. */
function broadcaster(method: string, fields: Fields, optional: readonly string[]): OptionalFields {
  return { command: method, fields, optional: ["id", ...optional], frame: (given) => ({ method, ...given }) };
}

/** Fields of its params. */
function broadcasterParams(method: string, fields: Fields, optional: readonly string[]): OptionalFields {
  return { command: `${method} params`, fields, optional, frame: (params) => ({ id: 7, method, params }) };
}

function rootsocket(event: string, fields: Fields, optional: readonly string[]): OptionalFields {
  return { command: event, fields, optional, frame: (data) => ({ event, data }) };
}

function webrocket(event: string, fields: Fields, optional: readonly string[]): OptionalFields {
  return { command: event, fields, optional, frame: (given) => ({ [event]: given }) };
}

function socketIo(event: string, fields: Fields, optional: readonly string[]): OptionalFields {
  return { command: event, fields, optional: ["_id", ...optional], frame: (given) => [event, given] };
}

const TABLES: Readonly<Record<string, DialectTable>> = {
  native: {
    open: () => new NativeDialect().open(REQUEST),
    commands: [
      native("join", { topics: ["a"] }, ["broker", "auth", "group", "hidden", "presence", "payload", "topics"]),
      native("leave", { topics: ["a"] }, ["broker", "payload", "topics"]),
      native("publish", { topics: ["a"] }, ["broker", "payload", "event", "trigger", "topics"]),
      native("call", { topics: ["a"] }, ["broker", "payload", "timeout", "topics"]),
      native("presence", { topics: ["a"] }, ["broker", "payload", "topics"]),
      native("authenticate", {}, ["broker", "payload", "topics"]),
      native("ping", {}, ["broker", "payload", "topics"]),
      native("headers", {}, ["broker", "payload", "topics"]),
      { command: "none", fields: {}, optional: ["command"], frame: (given) => given },
    ],
  },
  broadcaster: {
    open: broadcasterConversation,
    commands: [
      broadcaster("heartbeat", {}, ["params"]),
      broadcaster("auth", {}, ["params"]),
      broadcaster("subscribe", {}, ["params"]),
      broadcaster("unsubscribe", {}, ["params"]),
      broadcaster("publish", {}, ["params"]),
      broadcasterParams("publish", { channel: "c" }, ["event", "payload"]),
      { command: "none", fields: { id: 7 }, optional: ["method", "params"], frame: (given) => given },
    ],
  },
  rootsocket: {
    open: () => new RootsocketDialect().open(),
    commands: [
      ...["ping", "pong", "disconnect", "subscription-add", "subscription-remove", "c"].map((event) => ({
        command: event,
        fields: {},
        optional: ["data"],
        frame: (given: Fields) => ({ event, ...given }),
      })),
      rootsocket("subscription-add", { channel: "c" }, ["auth", "channel"]),
      rootsocket("subscription-remove", { channel: "c" }, ["auth", "channel"]),
    ],
  },
  webrocket: {
    open: webrocketConversation,
    commands: [
      webrocket("auth", {}, ["token"]),
      webrocket("subscribe", { channel: "presence-c" }, ["data", "hidden", "channel"]),
      webrocket("unsubscribe", { channel: "c" }, ["data", "channel"]),
      webrocket("broadcast", { channel: "c", event: "e" }, ["data", "trigger", "channel", "event"]),
      webrocket("trigger", { event: "e" }, ["data", "event"]),
    ],
  },
  socketio: {
    open: () => new SocketIoDialect().open({ ...REQUEST, elevated: true }),
    commands: [
      socketIo("spectate", { guild_id: "1" }, ["include_logs", "guild_id"]),
      socketIo("join", { topics: ["a"] }, ["topics"]),
      socketIo("leave", { topics: ["a"] }, ["topics"]),
      socketIo("request_elevation", {}, ["token"]),
    ],
  },
};

/** Opens a conversation of an authenticated client that may use workers. */
function webrocketConversation(): Conversation {
  const conversation = new WebrocketDialect().open(REQUEST);
  const received = conversation.receive('{"auth":{"token":"t"}}');
  if (received.kind === "command") received.answer({ ok: true, result: { kind: "identified", user: "eve" } });
  return conversation;
}

const OUTCOMES: readonly Outcome[] = [
  { ok: true },
  { ok: true, result: { kind: "part", payload: Buffer.from("a"), more: false } },
  { ok: false, error: new CarillonError("not_found", "why") },
];

/** Returns the command of a frame, and its answers to each outcome. */
function read(open: () => Conversation, frame: unknown): object {
  const received: Received = open().receive(JSON.stringify(frame));
  if (received.kind !== "command") return received;
  return { ...received, answer: OUTCOMES.map((outcome) => withoutTime(received.answer(outcome))) };
}

/** Masks times, which some answers hold. */
function withoutTime(texts: unknown): string {
  return JSON.stringify(texts ?? null).replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>");
}

const CASES = Object.entries(TABLES).flatMap(([dialect, { commands, open }]) =>
  commands.flatMap(({ command, fields, frame, optional }) =>
    optional.map((field) => ({ dialect, command, field, open, fields, frame })),
  ),
);

test.each(CASES)("D9: reads null as absent: $dialect, $command, $field", ({ field, fields, frame, open }) => {
  const { [field]: _given, ...without } = fields;
  expect(read(open, frame({ ...without, [field]: null }))).toEqual(read(open, frame(without)));
});

test.each([
  ["native", "call", "timeout"],
  ["native", "join", "hidden"],
  ["webrocket", "subscribe", "hidden"],
])("D9: refuses a field of the wrong type: %s, %s, %s", (dialect, command, field) => {
  const found = CASES.find((each) => each.dialect === dialect && each.command === command && each.field === field);
  if (found === undefined) throw new Error("no such case");
  const { fields, frame, open } = found;
  expect(read(open, frame({ ...fields, [field]: "x" }))).toMatchObject({ kind: "refused" });
});
