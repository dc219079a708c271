import { once } from "node:events";
import { constants, deflateRawSync } from "node:zlib";
import { NativeDialect } from "../../../src/dialects/native/dialect.js";
import { getWebSocketEncoding } from "../../../src/transport/websocket/encoding.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import { metric, untilMetric } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { frame, OPCODE } from "../../support/raw/client.js";

const INFLATED = "carillon_inflated_bytes_total";
const REFUSED = 'carillon_receiving_refused_total{share="address"}';
/** RSV1 marks a compressed message. */
const COMPRESSED = 4;

/** Refused command of almost 1 MiB, compressed to 1.1 KB. */
const BOMB = deflated(JSON.stringify({ command: "join", topics: ["x".repeat(1_048_500)] }));

function deflated(text: string): Buffer {
  const bytes = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH });
  return bytes.subarray(0, -4);
}

async function connectCompressed(node: TestNode): Promise<TestClient> {
  const client = await connect(`${node.ws}/ws`, { perMessageDeflate: { threshold: 0 } });
  expect(client.webSocket.extensions).toContain("permessage-deflate");
  return client;
}

/** Sends raw frames in one write. */
function sendRaw({ webSocket }: TestClient, frames: readonly Buffer[]): void {
  const { _socket: socket } = webSocket as unknown as { _socket: { write(bytes: Buffer): void } };
  socket.write(Buffer.concat(frames));
}

function bomb(client: TestClient, times: number): void {
  sendRaw(
    client,
    Array.from({ length: times }, () => frame(OPCODE.text, BOMB, { reserved: COMPRESSED })),
  );
}

test("L16: answers a client's compressed command while a hundred others send messages that inflate to large ones", async () => {
  const node = await startNode({ compression: true });
  const client = await connectCompressed(node);
  await client.join("t");
  const bombers = await Promise.all(Array.from({ length: 100 }, () => connectCompressed(node)));
  let answered = 0;
  const started = new Promise<void>((resolve) => {
    for (const { webSocket } of bombers) {
      webSocket.on("message", () => {
        answered += 1;
        resolve();
      });
    }
  });
  for (const bomber of bombers) bomb(bomber, 2);
  await started;
  for (let rounds = 0; rounds < 5; rounds += 1) {
    const before = answered;
    // Compressed without the library, because the clients of this process share its queue.
    const command = deflated(JSON.stringify({ command: "join", topics: [`t-${rounds}`] }));
    sendRaw(client, [frame(OPCODE.text, command, { reserved: COMPRESSED })]);
    const answer = await client.next();
    expect(answer.topic).toBe("@join");
    // One message for each turn of the event loop that the command and its answer take, not one for each other client.
    expect(answered - before).toBeLessThan(20);
  }
  expect(answered).toBeLessThan(200);
  for (const bomber of bombers) bomber.webSocket.terminate();
});

test("L16: discards messages of closed connections without inflating them, and frees their slots", async () => {
  const node = await startNode({ compression: true, limits: { connections: 41 } });
  const client = await connectCompressed(node);
  const bombers = await Promise.all(Array.from({ length: 40 }, () => connectCompressed(node)));
  for (const bomber of bombers) {
    bomb(bomber, 50);
    bomber.webSocket.terminate();
  }
  while ((await metric(node, "carillon_connections")) > 1);
  // The clients sent 2,000 MiB.
  expect(await metric(node, INFLATED)).toBeLessThan(200 << 20);
  await Promise.all(Array.from({ length: 40 }, () => connectCompressed(node)));
  await client.join("t");
});

test("L16: joins the fragments of a compressed message, including empty ones", async () => {
  const node = await startNode({ compression: true });
  const client = await connectCompressed(node);
  const bytes = deflated(JSON.stringify({ command: "join", topics: ["t"], id: "in fragments" }));
  const third = Math.floor(bytes.length / 3);
  sendRaw(client, [
    frame(OPCODE.text, bytes.subarray(0, third), { final: false, reserved: COMPRESSED }),
    frame(OPCODE.continuation, "", { final: false }),
    frame(OPCODE.ping),
    frame(OPCODE.continuation, bytes.subarray(third, 2 * third), { final: false }),
    frame(OPCODE.continuation, bytes.subarray(2 * third)),
  ]);
  await once(client.webSocket, "pong");
  expect(await client.next()).toMatchObject({ topic: "@join", id: "in fragments" });
});

test("L16: executes commands that precede a close frame", async () => {
  const node = await startNode({ compression: true });
  const [client, other] = [await connectCompressed(node), await connectCompressed(node)];
  await client.join("t");
  await other.join("t");
  for (let count = 0; count < 20; count += 1) {
    other.send({ command: "publish", topics: ["t"], payload: `${count}` });
  }
  other.webSocket.close();
  expect((await other.closed).code).toBe(1005);
  client.send({ command: "join", topics: ["last"], id: "last" });
  let answer = await client.next();
  while (answer.id !== "last") answer = await client.next();
  expect(answer.topic).toBe("@join");
});

test.each([
  ["1009 on a message that inflates beyond the limit", deflated("x".repeat(1_048_577)), OPCODE.text, 1009],
  ["1007 on text that is not DEFLATE", Buffer.from([0xff, 0xff, 0xff]), OPCODE.text, 1007],
  ["1007 on bytes that are not DEFLATE", Buffer.from([0xff, 0xff, 0xff]), OPCODE.binary, 1007],
  ["1007 on inflated bytes that are not UTF-8", deflateRawSync(Buffer.from([0xc0])), OPCODE.text, 1007],
])("L16: closes with %s", async (_, payload, opcode, code) => {
  const node = await startNode({ compression: true });
  const client = await connectCompressed(node);
  sendRaw(client, [frame(opcode, payload, { reserved: COMPRESSED })]);
  expect((await client.closed).code).toBe(code);
});

test("L16: delays messages beyond the node's budget until others are done, and answers them", async () => {
  const nats = await startNats();
  const limits = { receiving: "8MiB", request: "1MiB" };
  const node = await startNatsNode(nats.url, {}, { compression: true, limits, dialects: ["native"] });
  const clients = await Promise.all(Array.from({ length: 8 }, () => connectCompressed(node)));
  // Joins wait for NATS, and their inflated bytes are held meanwhile.
  nats.signal("SIGSTOP");
  const join = deflated(`{"command": "join", "topics": ["t"]${" ".repeat(1_000_000)}}`);
  for (const client of clients) sendRaw(client, [frame(OPCODE.text, join, { reserved: COMPRESSED })]);
  await untilMetric(node, REFUSED, 1);
  const held = await metric(node, "carillon_receiving_bytes");
  expect(held).toBeGreaterThan(1 << 20);
  expect(held).toBeLessThanOrEqual(2 << 20);
  nats.signal("SIGCONT");
  for (const client of clients) expect((await client.next()).topic).toBe("@join");
  await untilMetric(node, "carillon_inflated_bytes_total", 8_000_000);
  // Delayed messages were retried many times, and count once each.
  expect(await metric(node, REFUSED)).toBeLessThanOrEqual(clients.length);
  expect(await metric(node, "carillon_receiving_bytes")).toBe(0);
});

test("L10: compresses only the first of many large messages in one turn of the event loop", async () => {
  const { encoding } = new NativeDialect().open({ query: new URLSearchParams(), connectionId: "node.1" });
  const compressed = getWebSocketEncoding(encoding, true);
  const message = { id: "m", event: "", sender: "", time: 0, payload: Buffer.from("x".repeat(400_000)) };
  const isSmall = (): boolean => compressed.frame(message, compressed.topicText("t")).length < 10_000;
  await new Promise(setImmediate);
  expect([isSmall(), isSmall(), isSmall(), isSmall()]).toEqual([true, false, false, false]);
  await new Promise(setImmediate);
  expect(isSmall()).toBe(true);
});
