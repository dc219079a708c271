import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { BroadcastService, RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { BROADCAST_ACTIONS, BroadcastImplementation } from "../../../src/rpc/services/publish/broadcast.js";
import { startMounts } from "../../support/backends/mounts.js";
import { cleanUp } from "../../support/clean-up.js";
import { MESSAGES_IN, metric } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { connectGrpc, framed, openCall, rawCall } from "../../support/raw/grpc.js";
import { rawPeersOf } from "../../support/raw/peers.js";
import { everybody } from "../support/keys.js";
import { TestPublisher } from "../support/publisher.js";

const PUBLISH = "/websockets.v1.BroadcastService/Publish";
const PUBLISH_STREAM = "/websockets.v1.BroadcastService/PublishStream";
const HEALTH = "/grpc.health.v1.Health/Check";
const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

const GOOD = message(0);

/** Encodes a publish of this many bytes. */
function message(bytes: number): Uint8Array {
  return toBinary(
    RequestSchema,
    create(RequestSchema, { messages: [{ topics: ["a"], payload: new Uint8Array(bytes) }] }),
  );
}

const OK = 0;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;

describe("E10: refuses requests that are not exactly one message, and publishes nothing", () => {
  const undecodable = "the request cannot be decoded";
  test.each([
    ["no message", Buffer.alloc(0), {}, `${undecodable}: no message`],
    ["half a prefix", Buffer.from([0, 0, 0]), {}, `${undecodable}: truncated`],
    ["a truncated message", framed(GOOD).subarray(0, -1), {}, `${undecodable}: truncated`],
    ["two messages", Buffer.concat([framed(GOOD), framed(GOOD)]), {}, `${undecodable}: more than one message`],
    [
      "bytes after the message",
      Buffer.concat([framed(GOOD), Buffer.of(1)]),
      {},
      `${undecodable}: more than one message`,
    ],
    ["unknown flags", framed(GOOD, 2), {}, `${undecodable}: unknown flags (2)`],
    [
      "compression that is not named",
      framed(gzipSync(GOOD), 1),
      {},
      `${undecodable}: compressed, but grpc-encoding is missing`,
    ],
    [
      "bytes that are not compressed",
      framed(GOOD, 1),
      { "grpc-encoding": "gzip" },
      `${undecodable}: decompression failed`,
    ],
    [
      "a compressed message that is cut off",
      framed(gzipSync(GOOD).subarray(0, -9), 1),
      { "grpc-encoding": "gzip" },
      `${undecodable}: decompression failed`,
    ],
  ])("%s", async (_, body, headers, text) => {
    const node = await startNode();
    const session = await connectGrpc(node.grpc);
    for (const path of [PUBLISH, PUBLISH.replace("v1", "v1beta")]) {
      expect(await rawCall(session, path, body, headers)).toMatchObject({ status: INVALID_ARGUMENT, message: text });
    }
    expect(await metric(node, MESSAGES_IN)).toBe(0);
    expect(await rawCall(session, PUBLISH, framed(GOOD))).toMatchObject({ status: OK });
  });
});

test("E10: ends a truncated stream with INVALID_ARGUMENT, after the answers to earlier messages", async () => {
  const node = await startNode();
  const session = await connectGrpc(node.grpc);
  const cut = Buffer.concat([framed(GOOD), framed(GOOD).subarray(0, -1)]);
  expect(await rawCall(session, PUBLISH_STREAM, cut)).toMatchObject({ status: INVALID_ARGUMENT });
  expect(await rawCall(session, PUBLISH_STREAM, Buffer.alloc(0))).toMatchObject({ status: OK });
});

test("R8: reads compressed messages one by one, in order", async () => {
  const node = await startNode();
  const session = await connectGrpc(node.grpc);
  for (const encoding of ["gzip", "deflate"]) {
    const bodies = [framed(GOOD), framed(gzipSync(GOOD), 1), framed(Buffer.alloc(0), 1), framed(GOOD)];
    const body = encoding === "gzip" ? Buffer.concat(bodies) : framed(GOOD);
    expect(await rawCall(session, PUBLISH_STREAM, body, { "grpc-encoding": encoding })).toMatchObject({ status: OK });
  }
  expect(await metric(node, MESSAGES_IN)).toBe(4);
});

test("E29: accepts deadlines beyond the longest timer", async () => {
  const node = await startNode();
  const session = await connectGrpc(node.grpc);
  for (const timeout of ["99999999H", "2592000S", "60S"]) {
    expect(await rawCall(session, PUBLISH, framed(GOOD), { "grpc-timeout": timeout })).toMatchObject({ status: OK });
  }
  const [, connectPeer] = rawPeersOf(node);
  const answer = await connectPeer?.send({ bytes: GOOD, headers: { "connect-timeout-ms": "9999999999" } });
  expect(answer).toMatchObject({ status: OK });
});

test("E30: ignores a call whose deadline has passed", async () => {
  const node = await startNode();
  const session = await connectGrpc(node.grpc);
  // The deadline passes after the message has arrived, and before the request has ended.
  const { ended, stream } = openCall(session, PUBLISH, { "grpc-timeout": "50m" });
  stream.write(framed(GOOD));
  const answered = new Promise((resolve) => stream.once("response", resolve));
  await answered;
  stream.end();
  expect(await ended).toMatchObject({ status: DEADLINE_EXCEEDED });
  expect(await rawCall(session, PUBLISH, framed(GOOD))).toMatchObject({ status: OK });
  expect(await metric(node, MESSAGES_IN)).toBe(1);
});

test("O8: ignores a call that is cancelled before its request has ended", async () => {
  const node = await startNode();
  const session = await connectGrpc(node.grpc);
  const { ended, stream } = openCall(session, PUBLISH);
  await new Promise((resolve) => stream.write(framed(GOOD), resolve));
  await rawCall(session, PUBLISH, framed(GOOD));
  stream.destroy();
  await ended;
  await rawCall(session, PUBLISH, framed(GOOD));
  expect(await metric(node, MESSAGES_IN)).toBe(2);
});

test("E18: answers UNIMPLEMENTED for an unknown method with a name of any length", async () => {
  const node = await startNode();
  const session = await connectGrpc(node.grpc);
  for (const path of [
    "/x",
    `/${"x".repeat(10_000)}`,
    "/grpc.health.v1.Health/Unknown",
    "/grpc.reflection.x/y",
    "/%zz",
  ]) {
    const refused = await rawCall(session, path, framed(GOOD));
    expect(refused).toMatchObject({ status: UNIMPLEMENTED, message: "unknown method" });
  }
});

test("L15: ends a request, or a stream within a message, that does not arrive in time", async () => {
  const implementation = new BroadcastImplementation(new TestPublisher().publisher, () => {});
  cleanUp(() => implementation.stop());
  const service = { service: BroadcastService, implementation, actions: BROADCAST_ACTIONS };
  const mounts = await startMounts({ services: [service], directory: everybody(), requestTimeout: 200 });
  const session = await connectGrpc(mounts.grpc);
  const idle = openCall(session, PUBLISH_STREAM);
  idle.stream.write(framed(GOOD));
  for (const path of [PUBLISH, PUBLISH_STREAM]) {
    const { ended, stream } = openCall(session, path);
    stream.write(framed(GOOD).subarray(0, -1));
    expect(await ended).toMatchObject({
      status: DEADLINE_EXCEEDED,
      message: "the request was not complete within 0.2 s",
    });
  }
  // There is no timeout between the messages of a stream.
  idle.stream.end(framed(GOOD));
  expect(await idle.ended).toMatchObject({ status: OK });
});

test("L15: resets a call whose answer is not read, and one whose request stays open after the answer", async () => {
  const receipts = Array.from({ length: 1_000 }, () => ({ id: "x".repeat(100), stage: 1 }));
  const publish = () => Promise.resolve({ ok: true, receipts });
  const implementation = { publish, publishAsync: publish, publishStream: publish };
  const service = { service: BroadcastService, implementation, actions: BROADCAST_ACTIONS };
  const mounts = await startMounts({ services: [service], directory: everybody(), answerTimeout: 200 });
  const session = await connectGrpc(mounts.grpc);
  const unread = openCall(session, PUBLISH).stream.pause();
  unread.end(framed(GOOD));
  const open = openCall(session, PUBLISH, { "grpc-timeout": "x" }).stream;
  await Promise.all([unread, open].map((stream) => new Promise((resolve) => stream.once("close", resolve))));
  expect(unread.rstCode).toBe(8);
  expect(await rawCall(session, PUBLISH, framed(GOOD))).toMatchObject({ status: OK });
});

describe("services that need no key", () => {
  const big = framed(Buffer.alloc(5_000, "x"));
  test.each([HEALTH, REFLECTION])("%s accepts small, uncompressed requests only", async (path) => {
    const node = await startNode();
    const session = await connectGrpc(node.grpc);
    expect(await rawCall(session, path, big)).toMatchObject({ status: RESOURCE_EXHAUSTED });
    for (const encoding of ["gzip", "deflate", "br"]) {
      // The answer comes before any byte of the request.
      const { ended, stream } = openCall(session, path, { "grpc-encoding": encoding });
      const answer = await new Promise<object>((resolve) => stream.once("response", resolve));
      expect(answer).toMatchObject({ "grpc-status": String(UNIMPLEMENTED) });
      stream.end();
      await ended;
    }
    const { status } = await rawCall(session, path, framed(Buffer.alloc(0)), { "grpc-encoding": "identity" });
    expect(status).toBe(OK);
  });
});

describe("E31: counts bytes in transit, and releases them", () => {
  /** Half the bytes that the node may receive. */
  const SHARE = 3 * 1_024 * 1_024;
  const LIMITS = { receiving: 2 * SHARE, request: SHARE / 3, frame: SHARE / 6, payload: 1_000_000 };
  const HELD = "carillon_receiving_bytes";

  async function untilHeld(node: TestNode, bytes: number): Promise<void> {
    while ((await metric(node, HELD)) !== bytes);
  }

  test.each([
    ["Publish", PUBLISH],
    ["PublishStream", PUBLISH_STREAM],
  ])("%s: counts incomplete messages on many connections", async (_, path) => {
    const node = await startNode({ limits: LIMITS });
    const part = framed(message(800_000)).subarray(0, 800_000);
    const sessions = [await connectGrpc(node.grpc), await connectGrpc(node.grpc)] as const;
    const calls = [openCall(sessions[0], path), openCall(sessions[1], path), openCall(sessions[1], path)];
    for (const { stream } of calls) stream.write(part);
    await untilHeld(node, 2_400_000);
    const refused = await rawCall(sessions[0], PUBLISH, framed(message(900_000)));
    expect(refused).toMatchObject({
      status: RESOURCE_EXHAUSTED,
      message: expect.stringContaining("too much data in transit"),
    });
    expect(await rawCall(sessions[0], PUBLISH, framed(GOOD))).toMatchObject({ status: OK });

    calls[0]?.stream.close(8);
    await untilHeld(node, 1_600_000);
    sessions[1].destroy();
    await untilHeld(node, 0);
    expect(await rawCall(sessions[0], PUBLISH, framed(message(900_000)))).toMatchObject({ status: OK });
    await untilHeld(node, 0);
  });

  test("counts a complete message of an incomplete request", async () => {
    const node = await startNode({ limits: LIMITS });
    const session = await connectGrpc(node.grpc);
    const { ended, stream } = openCall(session, PUBLISH);
    const bytes = message(800_000);
    stream.write(framed(bytes));
    await untilHeld(node, bytes.length);
    stream.end();
    expect(await ended).toMatchObject({ status: OK });
    await untilHeld(node, 0);
  });

  test("counts compressed messages while they are inflated", async () => {
    const node = await startNode({ limits: LIMITS });
    const session = await connectGrpc(node.grpc);
    const bomb = framed(gzipSync(message(960_000)), 1);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => rawCall(session, PUBLISH, bomb, { "grpc-encoding": "gzip" })),
    );
    const statuses = new Set(answers.map(({ status }) => status));
    expect(statuses).toEqual(new Set([OK, RESOURCE_EXHAUSTED]));
    await untilHeld(node, 0);
    expect(await rawCall(session, PUBLISH, bomb, { "grpc-encoding": "gzip" })).toMatchObject({ status: OK });
  });

  test("inflates the compressed messages of a stream one at a time", async () => {
    const node = await startNode({ limits: LIMITS });
    const session = await connectGrpc(node.grpc);
    const bomb = framed(gzipSync(message(960_000)), 1);
    const body = Buffer.concat(Array.from({ length: 50 }, () => bomb));
    expect(await rawCall(session, PUBLISH_STREAM, body, { "grpc-encoding": "gzip" })).toMatchObject({ status: OK });
    expect(await metric(node, MESSAGES_IN)).toBe(50);
    await untilHeld(node, 0);
  });
});
