import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create, toBinary } from "@bufbuild/protobuf";
import { RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { publish } from "../../support/backends/publish.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import { metric } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { closeFrame, closeText, command, OPCODE, openRaw, type RawClient } from "../../support/raw/client.js";

const DROPS = 'carillon_drops_total{reason="slow_consumer"}';
const MiB = 1024 * 1024;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Creates a payload of 128 KiB that starts with a number. */
const numbered = (number: number): string => `${number} `.padEnd(131_072, "x");

/** Publishes in binary Protobuf, because encoding payloads of this size as JSON would be most of the work. */
async function say(node: TestNode, topic: string, payload: string): Promise<void> {
  const request = create(RequestSchema, { messages: [{ topics: [topic], payload: Buffer.from(payload) }] });
  const response = await fetch(`${node.http}/websockets.v1.BroadcastService/Publish`, {
    method: "POST",
    headers: { "content-type": "application/proto" },
    body: toBinary(RequestSchema, request),
  });
  await response.arrayBuffer();
  expect(response.status).toBe(200);
}

function numberOf(text: string): number {
  return Number((JSON.parse(text) as { payload: string }).payload.split(" ")[0]);
}

/**
 * Publishes numbered messages, each after the reader got the one before, until one was dropped. Then the slow client reads again.
 * Returns the number of messages.
 */
async function publishUntilDropped(
  node: TestNode,
  topic: string,
  reader: TestClient,
  slow: RawClient,
): Promise<number> {
  for (let number = 0; number < 500; number += 1) {
    await say(node, topic, numbered(number));
    // Checked first, because the client that is closed has 3 s to read all that it was sent.
    const dropped = (await metric(node, DROPS)) > 0;
    if (dropped) slow.socket.resume();
    expect(numberOf(await reader.nextText())).toBe(number);
    if (dropped) return number + 1;
  }
  throw new Error("64 MiB were published and nothing was dropped");
}

/** Reads the remaining messages. Returns their numbers and how the connection was closed. */
async function rest(client: RawClient): Promise<{ numbers: number[]; close: string }> {
  const numbers: number[] = [];
  for (;;) {
    const { opcode, payload } = await client.next();
    if (opcode === OPCODE.close) return { numbers, close: closeText(payload) };
    numbers.push(numberOf(payload.toString()));
  }
}

test("L6: closes a client that stops reading with 1013 after its messages, and delivers all messages to others in order", async () => {
  const node = await startNode({ limits: { outbox: "256KiB" } });
  const [slow, quick] = [await openRaw(node.http), await connect(`${node.ws}/ws`)];
  await slow.join("foo");
  await quick.join("foo");
  slow.socket.pause();
  const published = await publishUntilDropped(node, "foo", quick, slow);
  const { close, numbers } = await rest(slow);
  expect(close).toBe("1013 slow consumer");
  // Its messages have no gap: they are the first ones.
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, number) => number));
  expect(numbers.length).toBeLessThan(published);
  // Missing are one that waited and the one that exceeded the limit.
  expect(await metric(node, DROPS)).toBe(2);
  await say(node, "foo", numbered(-1));
  expect(numberOf(await quick.nextText())).toBe(-1);
  slow.send(closeFrame(1013));
  await slow.ended();
});

test("L6: bounds the bytes that wait for clients that never read", async () => {
  const node = await startNode({ limits: { outbox: "256KiB" } });
  const quick = await connect(`${node.ws}/ws`);
  await quick.join("foo");
  const stuck = await Promise.all(Array.from({ length: 4 }, () => openRaw(node.http)));
  for (const client of stuck) {
    await client.join("foo");
    client.socket.pause();
  }
  collectGarbage();
  const before = process.memoryUsage().arrayBuffers;
  // Many times the size of the system's buffers for each client.
  for (let number = 0; number < 128; number += 1) {
    await say(node, "foo", numbered(number));
    expect(numberOf(await quick.nextText())).toBe(number);
  }
  expect(await metric(node, DROPS)).toBe(8);
  // Buffers are freed some turns after the collection; held ones never are.
  const bound = 4 * 256 * 1024 + 8 * MiB;
  const end = Date.now() + 10_000;
  while (process.memoryUsage().arrayBuffers - before >= bound && Date.now() < end) {
    collectGarbage();
    await nextTurn();
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(bound);
});

/** Has a client send commands without reading the answers until it counts as slow. @returns the rest of what it receives */
async function readLate(node: TestNode): Promise<string> {
  const client = await openRaw(node.http);
  await client.join("foo");
  client.socket.pause();
  // The answers are four times as long as the commands.
  const refused = command({ command: "join", id: 1 });
  const chunk = Buffer.concat(Array.from({ length: 10_000 }, () => refused));
  do client.send(chunk);
  while ((await metric(node, "carillon_topics")) > 0);
  client.socket.resume();
  for (;;) {
    const frame = await client.next().catch(() => undefined);
    if (frame === undefined) return "cut";
    if (frame.opcode === OPCODE.close) return closeText(frame.payload);
  }
}

test("L6: closes a client that does not read its answers, even when they are small", async () => {
  // Only the waiting bytes are limited here, not the rates of commands and answers.
  const limits = { commands_per_second: "off", answer_bytes_per_second: "off" } as const;
  const node = await startNode({ limits: { outbox: "64KiB" }, interest_linger: "0", vhosts: { "/": { limits } } });
  // A slow machine may need more than the 3 s that the node waits.
  let close = await readLate(node);
  while (close === "cut") close = await readLate(node);
  expect(close).toBe("1013 slow consumer");
});

test("L6: delivers a message larger than the limit to a client that keeps up", async () => {
  const node = await startNode({ limits: { outbox: "16KiB" } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  for (let number = 0; number < 5; number += 1) {
    const payload = `${number} `.padEnd(900_000, "x");
    await say(node, "foo", payload);
    expect(await client.next()).toEqual({ topic: "foo", payload });
  }
  expect(await metric(node, DROPS)).toBe(0);
});

test("L6: delivers all messages of one turn to a client that keeps up, even beyond the limit", async () => {
  const node = await startNode({ limits: { outbox: "16KiB" } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  const payloads = Array.from({ length: 100 }, (_, number) => `${number} `.padEnd(2_000, "x"));
  await publish(
    node,
    payloads.map((payload) => ({ topics: ["foo"], payload })),
  );
  for (const payload of payloads) expect(await client.next()).toEqual({ topic: "foo", payload });
});
