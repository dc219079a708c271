import type { Command, Outcome } from "../../../src/commands/command.js";
import type { Received, Texts } from "../../../src/dialects/dialect.js";
import { RootsocketDialect } from "../../../src/dialects/rootsocket/dialect.js";
import { CarillonError } from "../../../src/errors.js";

const conversation = new RootsocketDialect().open();

function receive(frame: unknown): Received {
  return conversation.receive(typeof frame === "string" ? frame : JSON.stringify(frame));
}

function command(frame: unknown): Command {
  const received = receive(frame);
  if (received.kind !== "command") throw new Error(`no command: ${JSON.stringify(received)}`);
  return received.command;
}

function answer(frame: unknown, outcome: Outcome = { ok: true }): Texts {
  const received = receive(frame);
  if (received.kind !== "command") throw new Error(`no command: ${JSON.stringify(received)}`);
  return received.answer(outcome);
}

const refusal: Outcome = { ok: false, error: new CarillonError("permission_denied", "because") };

function error(detail: string, where?: string): string {
  return JSON.stringify({ event: "error", data: { detail, ...(where === undefined ? {} : { where }) } });
}

test("S11: answers a ping with a pong, a pong with nothing, and counts both as commands", () => {
  expect(command({ event: "ping" })).toEqual({ kind: "idle" });
  expect(answer({ event: "ping" })).toBe('{"event":"pong"}');
  expect(answer({ event: "ping" }, refusal)).toBe(error("invalid event: because"));
  expect(command({ event: "pong", data: null })).toEqual({ kind: "idle" });
  expect(answer({ event: "pong" })).toBeUndefined();
  expect(conversation.pingText).toBe('{"event":"ping"}');
});

function add(data: unknown): object {
  return { event: "subscription-add", data };
}

test("S12: reads a subscription as a join of one channel with its token, without an answer", () => {
  const join = {
    kind: "join",
    broker: "",
    topics: ["a.B1"],
    auth: undefined,
    group: undefined,
    hidden: undefined,
    presence: undefined,
  };
  expect(command(add({ channel: "a.B1" }))).toEqual(join);
  expect(command(add({ channel: "a.B1", auth: null }))).toEqual(join);
  expect(command(add({ channel: "a.B1", auth: "" }))).toEqual(join);
  expect(command(add({ channel: "a.B1", auth: "TOKEN", raw: "ignored" }))).toEqual({ ...join, auth: "TOKEN" });
  expect(answer(add({ channel: "a.B1" }))).toBeUndefined();
});

test("S13: refuses a subscription with `cannot subscribe` and its channel", () => {
  const frame = { event: "subscription-add", data: { channel: "c", auth: "TOKEN" } };
  expect(answer(frame, refusal)).toBe(error("cannot subscribe: because", "c"));
});

const RESERVED = ["ping", "pong", "subscription-add", "subscription-remove", "disconnect", "error"];

test.each([
  ["", "the channel's name is empty"],
  ["a b", "the channel's name is not 1 to 100 letters, digits and dots"],
  ["a-b", "the channel's name is not 1 to 100 letters, digits and dots"],
  ["ü", "the channel's name is not 1 to 100 letters, digits and dots"],
  ["a\n", "the channel's name is not 1 to 100 letters, digits and dots"],
  ["a".repeat(101), "the channel's name is not 1 to 100 letters, digits and dots"],
  ...RESERVED.map((name) => [name, "the channel's name is reserved: it is an event type"]),
])("S14: refuses the channel %j", (channel = "", why = "") => {
  expect(receive(add({ channel }))).toEqual({ kind: "refused", answer: error(`cannot subscribe: ${why}`, channel) });
  const remove = { event: "subscription-remove", data: { channel } };
  expect(receive(remove)).toEqual({ kind: "refused", answer: error(`invalid event: ${why}`, channel) });
  if (RESERVED.includes(channel)) return;
  const send = { event: channel, data: { raw: "x" } };
  expect(receive(send)).toEqual({ kind: "refused", answer: error(`cannot send: ${why}`, channel) });
});

test.each([
  [undefined, "channel is missing"],
  [{}, "channel is missing"],
  [{ channel: null }, "channel is missing"],
  [{ channel: 7 }, "channel is not a string"],
  [[], "channel is missing"],
  ["c", "channel is missing"],
])("S14: refuses a subscription with %j as its data", (data, why) => {
  expect(receive(add(data))).toEqual({ kind: "refused", answer: error(`cannot subscribe: ${why}`, "") });
  const remove = { event: "subscription-remove", data };
  expect(receive(remove)).toEqual({ kind: "refused", answer: error(`invalid event: ${why}`, "") });
});

test("S14: accepts names of 100 characters, of dots and of digits", () => {
  for (const channel of ["a".repeat(100), ".", "...", "0", "Ping", "constructor"]) {
    expect(command({ event: "subscription-add", data: { channel } })).toMatchObject({ topics: [channel] });
    expect(command({ event: channel, data: { raw: "" } })).toMatchObject({ topics: [channel] });
  }
});

test("S12: refuses a channel token that is not a string", () => {
  const frame = { event: "subscription-add", data: { channel: "c", auth: 7 } };
  expect(receive(frame)).toEqual({ kind: "refused", answer: error("cannot subscribe: auth is not a string", "c") });
});

test("S15: reads an unsubscription as a leave, without an answer", () => {
  const frame = { event: "subscription-remove", data: { channel: "c" } };
  expect(command(frame)).toEqual({ kind: "leave", broker: "", topics: ["c"] });
  expect(answer(frame)).toBeUndefined();
  expect(answer(frame, refusal)).toBe(error("invalid event: because", "c"));
});

test("S16: closes on disconnect", () => {
  expect(command({ event: "disconnect" })).toEqual({ kind: "close" });
  expect(answer({ event: "disconnect" })).toBeUndefined();
});

test("S17: reads any other event as a message published within the channel", () => {
  const frame = { event: "c", data: { raw: 'täxt "1"' } };
  expect(command(frame)).toEqual({
    kind: "publish",
    broker: "",
    topics: ["c"],
    payload: Buffer.from('täxt "1"'),
    event: "",
    trigger: "",
    membersOnly: true,
  });
  expect(answer(frame)).toBeUndefined();
  expect(answer(frame, refusal)).toBe(error("cannot send: because", "c"));
});

test.each([
  [undefined, "data.raw is missing"],
  [{}, "data.raw is missing"],
  ["raw", "data.raw is missing"],
  [{ raw: null }, "data.raw is not a string"],
  [{ raw: { a: 1 } }, "data.raw is not a string"],
])("S17: refuses a message with %j as its data", (data, why) => {
  expect(receive({ event: "c", data })).toEqual({ kind: "refused", answer: error(`cannot send: ${why}`, "c") });
});

function event(raw: string): string {
  return `{"event":"c","data":{"raw":"${raw}"}}`;
}

test("S18: drops events of more than 1,048,576 bytes, even of fewer characters", () => {
  const room = 1_048_576 - event("").length;
  const dropped = { kind: "refused", answer: error("invalid event: it is larger than 1048576 bytes") };
  expect(receive(event("x".repeat(room))).kind).toBe("command");
  expect(receive(event("x".repeat(room + 1)))).toEqual(dropped);
  expect(receive(event("€".repeat(Math.floor(room / 3)))).kind).toBe("command");
  expect(receive(event("€".repeat(Math.ceil((room + 1) / 3))))).toEqual(dropped);
  expect(receive("x".repeat(2_000_000))).toEqual(dropped);
});

test.each([
  ["", "it is not JSON"],
  ["{", "it is not JSON"],
  ["null", "it is not a JSON object"],
  ["[]", "it is not a JSON object"],
  ['"ping"', "it is not a JSON object"],
  ["{}", "event is missing"],
  ['{"event":7}', "event is not a string"],
  ['{"event":null}', "event is not a string"],
  ['{"event":"error","data":{"detail":"x"}}', "only the server sends errors"],
])("S19: reads %s as malformed", (frame, why) => {
  expect(receive(frame)).toEqual({ kind: "malformed", answer: error(`invalid event: ${why}`) });
});

test("S19: reads frames of any depth", () => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  expect(receive(deep).kind).toBe("malformed");
  expect(receive(`{"event":"c","data":{"raw":${deep}}}`).kind).toBe("refused");
  expect(receive(`{"event":"ping","data":${deep}}`).kind).toBe("command");
});

function messageText(topic: string, payload: Uint8Array): string {
  const message = { id: "m", event: "e", sender: "", time: 0, payload };
  return conversation.encoding.text(message, conversation.encoding.topicText(topic));
}

test("S20: writes a message with exactly these members in this order", () => {
  expect(messageText("c", Buffer.from("text"))).toBe('{"event":"c","data":{"raw":"text"}}');
  expect(messageText("c", Buffer.from('{"a":1}'))).toBe('{"event":"c","data":{"raw":"{\\"a\\":1}"}}');
  expect(messageText("c", Buffer.alloc(0))).toBe('{"event":"c","data":{"raw":""}}');
});

test("S20: writes bytes that are not UTF-8 as base64, and marks them", () => {
  expect(messageText("c", Buffer.from("ff00", "hex"))).toBe('{"event":"c","data":{"raw":"/wA=","encoding":"base64"}}');
});

test.each(RESERVED)("S21: keeps a message of the topic %s apart from the protocol's events", (topic) => {
  expect(messageText(topic, Buffer.from("x"))).toBe(`{"event":"#${topic}","data":{"raw":"x"}}`);
});

test("S22: reports the end of a subscription as a refusal, and does not report its start on the client's behalf", () => {
  expect(conversation.noticeText({ kind: "joined", topics: ["a"] })).toBeUndefined();
  expect(conversation.noticeText({ kind: "unwatched", topics: ["a"] })).toBeUndefined();
  expect(conversation.noticeText({ kind: "left", topics: [] })).toBeUndefined();
  expect(conversation.noticeText({ kind: "left", topics: ["a", "b"] })).toEqual([
    error("cannot subscribe: the server has ended the subscription", "a"),
    error("cannot subscribe: the server has ended the subscription", "b"),
  ]);
});

test("S23: reports neither missed messages nor presence", () => {
  const { encoding } = conversation;
  expect(encoding.laggedText("c", 3)).toBeUndefined();
  expect(encoding.presenceText({ topic: "c", count: 0, joined: [], left: [] })).toBeUndefined();
});
