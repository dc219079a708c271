import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { status } from "@grpc/grpc-js";
import { CreateAccessTokenRequestSchema } from "../../gen/carillon/v1/token_pb.js";
import { RequestSchema } from "../../gen/websockets/v1/websockets_pb.js";
import { findMessageExcess } from "../../src/rpc/request-weight.js";
import { grpcClient } from "../support/backends/peers.js";
import { PublishStream } from "../support/backends/publish-stream.js";
import { connect } from "../support/clients/native.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { rawPeersOf } from "../support/raw/peers.js";

type Messages = NonNullable<MessageInitShape<typeof RequestSchema>["messages"]>;

const REFUSED = {
  status: status.INVALID_ARGUMENT,
  message:
    "the request cannot be decoded: too many fields: weight above 131072 (a value counts as 1, a message, object or list as 8)",
};

function topics(count: number, name = ""): string[] {
  return Array.from({ length: count }, () => name);
}

function empty(count: number): Messages {
  return Array.from({ length: count }, () => ({}));
}

/** Publishes the same messages by each protocol. */
async function answersTo(node: TestNode, messages: Messages) {
  const binary = toBinary(RequestSchema, create(RequestSchema, { messages }));
  const json = Buffer.from(JSON.stringify({ messages }));
  const send = rawPeersOf(node).map(async (peer) => {
    return [peer.name, await peer.send({ bytes: peer.name === "connect-json" ? json : binary })] as const;
  });
  return Object.fromEntries(await Promise.all(send));
}

test.each([
  ["too many topics", [{ topics: topics(140_000) }]],
  ["too many topics of many messages", Array.from({ length: 140 }, () => ({ topics: topics(1_000, "a") }))],
  ["too many messages", empty(20_000)],
])("E10: refuses a request with %s before decoding it, by every protocol", async (_what, messages) => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  expect(await answersTo(node, messages)).toMatchObject({
    grpc: REFUSED,
    connect: REFUSED,
    "connect-json": REFUSED,
    "grpc-web": REFUSED,
  });
  expect(await client.ask({ command: "leave", topics: ["a"] })).toMatchObject({ topic: "@leave" });
});

test("E7, E9: refuses lighter requests for exceeding other limits", async () => {
  const node = await startNode();
  const tooMany = { message: "messages: got 14000, the limit is 1000" };
  expect(await answersTo(node, empty(14_000))).toMatchObject({
    grpc: tooMany,
    connect: tooMany,
    "connect-json": tooMany,
  });
});

test("E10: ends a stream when a message has too many fields", async () => {
  const node = await startNode();
  const stream = new PublishStream(grpcClient(node));
  stream.write({ topics: ["a"], id: "1" });
  stream.write({ topics: topics(140_000) });
  expect(await stream.next()).toEqual(["1"]);
  expect(await stream.status).toMatchObject({ code: REFUSED.status, details: REFUSED.message });
});

test("E10: weighs values in a token's info like messages", async () => {
  const node = await startNode();
  const url = `${node.http}/carillon.v1.TokenService/CreateAccessToken`;
  const info = { list: Array.from({ length: 20_000 }, (_, number) => number) };
  const json = JSON.stringify({ user: "u", info });
  const binary = toBinary(CreateAccessTokenRequestSchema, create(CreateAccessTokenRequestSchema, { user: "u", info }));
  for (const [type, body] of [
    ["json", json],
    ["proto", new Uint8Array(binary)],
  ] as const) {
    const headers = { "content-type": `application/${type}` };
    const response = await fetch(url, { method: "POST", headers, body });
    expect(await response.json()).toEqual({ code: "invalid_argument", message: REFUSED.message });
  }
});

test("R11: does not weigh the values of json", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  const json = Array.from({ length: 200_000 }, () => 1);
  const bytes = Buffer.from(JSON.stringify({ messages: [{ topics: ["a"], json }] }));
  const [peer] = rawPeersOf(node).filter(({ name }) => name === "connect-json");
  expect(await peer?.send({ bytes })).toMatchObject({ status: 0 });
  const { payload } = await client.next();
  expect(payload === JSON.stringify(json)).toBe(true);
});

test("E10: weighs packed numbers, groups and truncated bytes in bounded time", () => {
  const packed = new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(new Uint8Array(140_000));
  expect(findMessageExcess(RequestSchema, packed.finish())).toBeUndefined();
  const nested = Buffer.alloc(200_000, 0x0b);
  expect(findMessageExcess(RequestSchema, nested)).toContain("too many fields");
  const cut = Buffer.concat([Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), Buffer.alloc(100_000, 0xff)]);
  expect(findMessageExcess(RequestSchema, cut)).toBeUndefined();
});
