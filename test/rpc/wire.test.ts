import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RequestSchema, ResponseSchema, Stage } from "../../gen/websockets/v1/websockets_pb.js";
import { connect } from "../support/clients/native.js";
import { startNode } from "../support/nodes/node.js";
import { rawPeersOf } from "../support/raw/peers.js";

const hexOf = (text: string): string => Buffer.from(text).toString("hex");

/** Encoded as by DTOs of the published websockets.v1: tag = field number × 8 + wire type (2: length-delimited). */
const ORIGINAL = [
  ["0a", "17"], // Request.messages (1), 23 bytes
  ["0a", "07", hexOf("publish")], // Message.command (1)
  ["12", "03", hexOf("foo")], // Message.topics (2)
  ["12", "03", hexOf("bar")],
  ["1a", "02", hexOf("hi")], // Message.payload (3)
];

/** The same, with Carillon's additional fields. */
const EXTENDED = [
  ["0a", "19"], // 25 bytes
  ["12", "03", hexOf("foo")],
  ["1a", "02", hexOf("hi")],
  ["52", "02", hexOf("ev")], // Message.event (10)
  ["5a", "02", hexOf("id")], // Message.id (11)
  ["62", "06", hexOf("memory")], // Message.broker (12)
];

const bytesOf = (lines: readonly (readonly string[])[]): Buffer => Buffer.from(lines.flat().join(""), "hex");

test("R1: decodes bytes of the published websockets.v1", async () => {
  const node = await startNode();
  const listener = await connect(`${node.ws}/ws?meta=1`);
  await listener.join("foo", "bar");
  for (const peer of rawPeersOf(node).filter(({ name }) => name !== "connect-json")) {
    expect(await peer.send({ bytes: bytesOf(ORIGINAL) })).toMatchObject({ status: 0 });
    expect(await listener.next()).toMatchObject({ topic: "foo", payload: "hi" });
    expect(await listener.next()).toMatchObject({ topic: "bar", payload: "hi" });
    expect(await peer.send({ bytes: bytesOf(EXTENDED) })).toMatchObject({ status: 0 });
    expect(await listener.next()).toMatchObject({ topic: "foo", payload: "hi", event: "ev", id: "id" });
  }
});

test("R1: encodes the same bytes", () => {
  const original = { command: "publish", topics: ["foo", "bar"], payload: Buffer.from("hi") };
  const extended = { topics: ["foo"], payload: Buffer.from("hi"), event: "ev", id: "id", broker: "memory" };
  const encode = (message: typeof original | typeof extended): string =>
    Buffer.from(toBinary(RequestSchema, create(RequestSchema, { messages: [message] }))).toString("hex");
  expect(encode(original)).toBe(bytesOf(ORIGINAL).toString("hex"));
  expect(encode(extended)).toBe(bytesOf(EXTENDED).toString("hex"));
});

test("R1: encodes ok in field 1 and receipts in field 10 of a Response", () => {
  const response = { ok: true, receipts: [{ id: "id", stage: Stage.FLUSHED }] };
  const bytes = Buffer.from("080152060a0269641002", "hex");
  expect(Buffer.from(toBinary(ResponseSchema, create(ResponseSchema, response)))).toEqual(bytes);
  expect(fromBinary(ResponseSchema, bytes)).toMatchObject(response);
});

test("R10: ignores unknown fields in JSON and protobuf", async () => {
  const node = await startNode();
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("foo");
  // Message has an unknown field 15 (text), Request an unknown field 99 (varint).
  const binary = Buffer.from(`0a081203${hexOf("foo")}7a0178980607`, "hex");
  const json = Buffer.from('{"messages":[{"topics":["foo"],"later":[{"deep":null}]}],"also":1}');
  for (const peer of rawPeersOf(node)) {
    const bytes = peer.name === "connect-json" ? json : binary;
    expect(await peer.send({ bytes })).toMatchObject({ status: 0 });
    expect(await listener.nextText()).toBe('{"topic":"foo","payload":""}');
  }
});
