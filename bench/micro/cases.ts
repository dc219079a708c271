import { create, toBinary } from "@bufbuild/protobuf";
import { RequestSchema, ResponseSchema, Stage } from "../../gen/websockets/v1/websockets_pb.js";
import { MemoryDriver } from "../../src/brokers/memory/driver.js";
import { MessageIds } from "../../src/core/message.js";
import { Publisher } from "../../src/core/publishing/publisher.js";
import { TrafficCounts } from "../../src/core/traffic.js";
import { nativeEncoding, nativeEncodingWithMetadata } from "../../src/dialects/native/encode.js";
import { toSubject } from "../../src/nats/broker/subject.js";
import { decodeMessage } from "../../src/rpc/decode.js";
import { createTextFrame } from "../../src/transport/websocket/frame.js";
import { systemClock } from "../../src/util/system-clock.js";
import { createFanOutCase } from "./fan-out.js";
import { PATTERN_CASES } from "./patterns.js";

/** Hot function in isolation. */
export interface Case {
  readonly name: string;
  readonly run: () => unknown;
}

const text = "x".repeat(100);
const message = { id: "0123456789ab-1", event: "", sender: "", time: 1_700_000_000_000, payload: Buffer.from(text) };
const topicText = nativeEncoding.topicText("orders.42");

const driver = new MemoryDriver({ clock: systemClock });
// As in the registry, one object for each broker.
const broker = { name: "memory", driver };
const publisher = new Publisher({
  brokers: { resolve: () => broker },
  ids: new MessageIds("0123456789ab"),
  clock: { now: Date.now, monotonic: Date.now, after: () => () => {} },
  limits: { payloadBytes: 2 ** 20, topicsPerMessage: 1_000, expandedBytes: 2 ** 26 },
  traffic: new TrafficCounts(),
  historyOf: () => undefined,
  onUnconfirmed: () => {},
});
const source = { kind: "backend", vhost: "/", sender: "", refusal: () => undefined } as const;
const draft = { broker: "", topics: ["orders.42"], payload: message.payload, event: "", id: "" };
const drafts = Array.from({ length: 100 }, () => draft);

const requestOf = (messages: number): Uint8Array =>
  toBinary(RequestSchema, create(RequestSchema, { messages: Array.from({ length: messages }, () => ({ ...draft })) }));
const one = requestOf(1);
const hundred = requestOf(100);

/** Encodes an answer in the same way as src/rpc/services/publish/broadcast.ts. */
const answer = (messages: number): Uint8Array => {
  const receipts = Array.from({ length: messages }, () => ({ id: "0123456789ab-1", stage: Stage.FLUSHED }));
  return toBinary(ResponseSchema, create(ResponseSchema, { ok: true, receipts }));
};

export const CASES: readonly Case[] = [
  { name: "createTextFrame, 100 B", run: () => createTextFrame(text) },
  { name: "native encode", run: () => nativeEncoding.text(message, topicText) },
  { name: "native encode with metadata", run: () => nativeEncodingWithMetadata.text(message, topicText) },
  createFanOutCase(1, 1),
  createFanOutCase(1_000, 1),
  createFanOutCase(1_000, 16),
  { name: "toSubject, plain", run: () => toSubject("carillon", "/", "orders.42") },
  { name: "toSubject, encoded", run: () => toSubject("carillon", "/", "orders..*") },
  { name: "publisher.prepare, 1 message", run: () => publisher.prepare(source, [draft]) },
  { name: "publisher.prepare, 100 messages", run: () => publisher.prepare(source, drafts) },
  { name: "protobuf decode, 1 message", run: () => decodeMessage(RequestSchema, one) },
  { name: "protobuf decode, 100 messages", run: () => decodeMessage(RequestSchema, hundred) },
  { name: "protobuf answer, 1 receipt", run: () => answer(1) },
  { name: "protobuf answer, 100 receipts", run: () => answer(100) },
  ...PATTERN_CASES,
];
