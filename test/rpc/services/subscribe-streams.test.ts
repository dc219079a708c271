import { once } from "node:events";
import type { ClientHttp2Stream } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { SubscribeStreamRequestSchema, SubscribeStreamResponseSchema } from "../../../gen/carillon/v1/subscribe_pb.js";
import { bearer, configuredKey, STATUS, TestBackend } from "../../support/backends/backend.js";
import { callersOf } from "../../support/backends/mounts.js";
import { publish } from "../../support/backends/publish.js";
import { ManualClock } from "../../support/manual-clock.js";
import { becomes, startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { connectGrpc, framed, openCall } from "../../support/raw/grpc.js";
import { startSubscribeMounts } from "../support/subscribe-mounts.js";
import { publishAll, TestStream } from "../support/subscribe-stream.js";

const SUBSCRIBE = "/carillon.v1.SubscribeService/Subscribe";

/** Size of a payload in bytes, and number of messages: more than the system and the outbox hold together. */
const SIZE = 200_000;
const MANY = 24;

/** @param readers - streams that read each message before the next one is published */
async function publishMany(node: TestNode, readers: readonly TestStream[] = []): Promise<void> {
  for (let number = 1; number <= MANY; number += 1) {
    const answer = await publish(node, [{ topics: ["price"], payload: `${number}:`.padEnd(SIZE, "x") }]);
    expect(answer.ok).toBe(true);
    for (const reader of readers) expect(Number.parseInt((await reader.next()).text, 10)).toBe(number);
  }
}

/** Opens a stream that nobody reads. Resolves once it is subscribed. */
async function openUnread(node: TestNode) {
  const call = openCall(await connectGrpc(node.grpc), SUBSCRIBE);
  const request = create(SubscribeStreamRequestSchema, { topics: ["price"] });
  call.stream.end(framed(toBinary(SubscribeStreamRequestSchema, request)));
  await once(call.stream, "response");
  call.stream.pause();
  return call;
}

/** Reads the rest of a stream. Resolves with the numbers of its messages, and the numbers of dropped messages. */
async function readAll(stream: ClientHttp2Stream, until: (numbers: readonly number[]) => boolean = () => false) {
  const numbers: number[] = [];
  const dropped: number[] = [];
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1);
      const response = fromBinary(SubscribeStreamResponseSchema, bytes.subarray(5, end));
      bytes = bytes.subarray(end);
      for (const { messages, topic } of response.dropped) {
        expect(topic).toBe("price");
        dropped.push(Number(messages));
      }
      for (const { payload } of response.messages) numbers.push(Number.parseInt(Buffer.from(payload).toString(), 10));
    }
    if (until(numbers)) break;
  }
  return { numbers, dropped };
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, position) => position + 1);
}

test("R24, O6: ends the stream of a caller that reads too slowly, after messages without a gap, and delays nobody", async () => {
  const node = await startNode();
  const slow = await openUnread(node);
  const others = callersOf(node).map((caller) => new TestStream(caller, { topics: ["price"] }));
  for (const other of others) await other.subscribed();
  await publishMany(node, others);
  const { numbers } = await readAll(slow.stream);
  expect(numbers).toEqual(upTo(numbers.length));
  expect(numbers.length).toBeLessThan(MANY);
  expect(await slow.ended).toMatchObject({
    status: STATUS.resourceExhausted,
    message: expect.stringContaining("slowly"),
  });
  for (const other of others) await other.close();
});

test("R24, L6: keeps a slow stream where the topic's rule drops messages, and counts what was dropped", async () => {
  const node = await startNode({ vhosts: { "/": { topics: [{ match: "price", slow_consumer: "drop_oldest" }] } } });
  const slow = await openUnread(node);
  await publishMany(node);
  const { dropped, numbers } = await readAll(slow.stream, (all) => all.at(-1) === MANY);
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  expect(numbers.length + dropped.reduce((sum, count) => sum + count, 0)).toBe(MANY);
  expect(dropped.length).toBeGreaterThan(0);
});

test("R23: ends the streams of a revoked key within a second", async () => {
  const admin = configuredKey("admin", { actions: ["*"] });
  const node = await startNode({ vhosts: { "/": { keys: [admin] } } });
  const control = new TestBackend(node, bearer("admin"));
  for (const caller of callersOf(node)) {
    const { key, secret } = await control.call(ControlService.method.createKey, {
      name: "reader",
      actions: ["subscribe"],
      topics: ["a"],
    });
    const stream = new TestStream(caller, { topics: ["a"] }, bearer(secret));
    await stream.subscribed();
    await control.call(ControlService.method.revokeKey, { id: key?.id ?? "" });
    expect(await stream.status()).toMatchObject({ status: STATUS.unauthenticated });
  }
});

test("R25: sends an empty response when a stream has been idle, and none while it is not", async () => {
  const clock = new ManualClock();
  const mounts = await startSubscribeMounts(clock);
  for (const caller of callersOf(mounts)) {
    const stream = new TestStream(caller, { topics: ["a"] });
    await stream.subscribed();
    clock.advance(25_000);
    await mounts.publish("1");
    expect((await stream.next()).text).toBe("1");
    // The stream was active in the interval that ends now, and in none after it.
    clock.advance(25_000);
    await mounts.publish("2");
    expect((await stream.response()).messages).toHaveLength(1);
    clock.advance(50_000);
    expect(await stream.response()).toMatchObject({ messages: [], dropped: [] });
    await mounts.publish("3");
    expect((await stream.next()).text).toBe("3");
    await stream.close();
  }
  expect(mounts.faults).toEqual([]);
});

test("R25, O9: outlasts the loss of the broker, and continues when it returns", async () => {
  const nats = await startNats();
  const node = await startNatsNode(nats.url);
  const streams = callersOf(node).map((caller) => new TestStream(caller, { topics: ["a"] }));
  for (const stream of streams) await stream.subscribed();
  await nats.kill();
  await becomes(node, 503);
  for (const caller of callersOf(node)) {
    const { status } = await new TestStream(caller, { topics: ["a"] }).status();
    expect([caller.name, status]).toEqual([caller.name, 14]);
  }
  await nats.start();
  await becomes(node, 200);
  await publishAll(node, "a", ["back"]);
  for (const stream of streams) {
    expect((await stream.next()).text).toBe("back");
    await stream.close();
  }
});
