import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { ConfigInput } from "../../../src/index.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import { metric, untilMetric, untilNone } from "../../support/nodes/metrics.js";
import { startNode } from "../../support/nodes/node.js";
import {
  closeText,
  command,
  connectRaw,
  frame,
  OPCODE,
  openRaw,
  type RawClient,
  upgradeRequest,
} from "../../support/raw/client.js";

const HELD = "carillon_receiving_bytes";
const REFUSED = 'carillon_receiving_refused_total{share="address"}';
const SOCKET_IO = "/socket.io/?EIO=4&transport=websocket";
const PATHS = [["/ws"], ["/broadcaster/websocket"], ["/webrocket"], [SOCKET_IO]] as const;
/** Budget of the node; one client's address may hold a quarter of it, 2 MiB. */
const SMALL = {
  limits: { receiving: "8MiB", request: "1MiB" },
  dialects: ["native", "broadcaster", "webrocket", "socketio"],
} satisfies ConfigInput;
const BYTES = 1 << 20;
/** The largest frame without its last byte. */
const UNFINISHED = frame(OPCODE.text, Buffer.alloc(BYTES - 1, "x"), { claims: BigInt(BYTES) });
const RECEIVING = "1013 too much data in transit on this node: try again later";
const TOO_LONG = "1008 message not received in time";

async function closeOf(client: RawClient): Promise<string> {
  let read = await client.next();
  while (read.opcode !== OPCODE.close) read = await client.next();
  return closeText(read.payload);
}

/** Resolves with the close frames of the first connections that are closed. */
function firstCloses(clients: readonly RawClient[], count: number): Promise<readonly string[]> {
  const closes: string[] = [];
  return new Promise((resolve) => {
    for (const client of clients) {
      const seen = closeOf(client).then((text) => closes.push(text));
      seen.then(() => closes.length === count && resolve([...closes])).catch(() => {});
    }
  });
}

function destroyAll(clients: readonly RawClient[]): void {
  for (const { socket } of clients) socket.destroy();
}

test.each(PATHS)(
  "L18: %s closes with 1013 when incomplete frames hold a quarter of the budget",
  async (path) => {
    const node = await startNode(SMALL);
    const honest = await openRaw(node.http);
    const attackers = await Promise.all(Array.from({ length: 8 }, () => openRaw(node.http, path)));
    const closes = firstCloses(attackers, 6);
    for (const attacker of attackers) attacker.send(UNFINISHED);
    await untilMetric(node, REFUSED, 6);
    expect(await closes).toEqual(Array.from({ length: 6 }, () => RECEIVING));
    await untilMetric(node, HELD, BYTES - 10_000);
    expect(await metric(node, HELD)).toBeLessThanOrEqual(2 * BYTES);
    await honest.join("t");
    destroyAll(attackers);
    await untilNone(node, HELD);
    await honest.join("u");
  },
  60_000,
);

test.each(PATHS)(
  "L18: %s closes when a message times out, even with pings in between",
  async (path) => {
    const node = await startNode({ timeouts: { request: "1s" } });
    const client = await openRaw(node.http, path);
    client.send(
      frame(OPCODE.text, "x".repeat(20_000), { final: false }),
      frame(OPCODE.continuation, "", { claims: 9n }),
    );
    await untilMetric(node, HELD, 10_000);
    expect(await closeOf(client)).toBe(TOO_LONG);
    await untilNone(node, HELD);
  },
  60_000,
);

test("L18: joins the many fragments of a large message with pings in between", async () => {
  const node = await startNode(SMALL);
  const client = await openRaw(node.http);
  const text = Buffer.from(`{"command": "join", "topics": ["t"], "id": "large"${" ".repeat(900_000)}}`);
  const size = 1_500;
  for (let begin = 0; begin < text.length; begin += size) {
    const final = begin + size >= text.length;
    const opcode = begin === 0 ? OPCODE.text : OPCODE.continuation;
    client.send(frame(OPCODE.ping), frame(opcode, text.subarray(begin, begin + size), { final }));
  }
  let answer = await client.next();
  while (answer.opcode === OPCODE.pong) answer = await client.next();
  expect(JSON.parse(answer.payload.toString())).toMatchObject({ topic: "@join", id: "large" });
  await untilNone(node, HELD);
  expect(await metric(node, REFUSED)).toBe(0);
});

test("L18: counts compressed fragments of an incomplete message", async () => {
  const node = await startNode({ compression: true });
  const client = await connectRaw(node.http);
  client.send(upgradeRequest("/ws", { "Sec-WebSocket-Extensions": "permessage-deflate" }));
  expect((await client.response()).headers.get("sec-websocket-extensions")).toContain("permessage-deflate");
  client.send(frame(OPCODE.text, randomBytes(300_000), { final: false, reserved: 4 }));
  for (let count = 0; count < 20; count += 1) {
    client.send(frame(OPCODE.continuation, randomBytes(10_000), { final: false }));
  }
  await untilMetric(node, HELD, 490_000);
  expect(await metric(node, REFUSED)).toBe(0);
  client.socket.destroy();
  await untilNone(node, HELD);
});

test("L18: counts attachments of an incomplete Socket.IO packet", async () => {
  const node = await startNode();
  const client = await openRaw(node.http, SOCKET_IO);
  await client.next();
  client.send(frame(OPCODE.text, "40"));
  await client.next();
  client.send(
    frame(OPCODE.text, '452-["e",{"_placeholder":true,"num":0}]'),
    frame(OPCODE.binary, Buffer.alloc(600_000)),
  );
  await untilMetric(node, HELD, 590_000);
  expect(await metric(node, REFUSED)).toBe(0);
  client.socket.destroy();
  await untilNone(node, HELD);
});

test.each([
  ["/ws", [], (fields: string) => `{"command": "join", ${fields}}`],
  [SOCKET_IO, ["40"], (fields: string) => `42["join",{${fields}}]`],
] as const)(
  "L18: counts waiting commands of %s against the budget, and answers those within it",
  async (path, greetings, join) => {
    const nats = await startNats();
    const node = await startNatsNode(nats.url, {}, SMALL);
    const clients = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const client = await openRaw(node.http, path);
        if (path === SOCKET_IO) await client.next();
        for (const greeting of greetings) {
          client.send(frame(OPCODE.text, greeting));
          await client.next();
        }
        return client;
      }),
    );
    nats.signal("SIGSTOP");
    for (const client of clients) {
      client.send(frame(OPCODE.text, join('"topics": ["a"]')));
      client.send(frame(OPCODE.text, join(`"topics": ["b"]${" ".repeat(900_000)}`)));
    }
    await untilMetric(node, REFUSED, 6);
    expect(await metric(node, HELD)).toBeLessThanOrEqual(2 * BYTES);
    nats.signal("SIGCONT");
    await untilNone(node, HELD);
    const fresh = await openRaw(node.http);
    await fresh.join("c");
    destroyAll(clients);
  },
  60_000,
);

test("L18: counts the command of a closed connection until it has been executed", async () => {
  const nats = await startNats();
  const node = await startNatsNode(nats.url, {}, SMALL);
  const client = await openRaw(node.http);
  nats.signal("SIGSTOP");
  client.send(frame(OPCODE.text, `{"command": "join", "topics": ["b"]${" ".repeat(900_000)}}`));
  await untilMetric(node, HELD, 890_000);
  client.socket.destroy();
  await once(client.socket, "close");
  await untilNone(node, "carillon_connections");
  expect(await metric(node, HELD)).toBeGreaterThan(890_000);
  nats.signal("SIGCONT");
  await untilNone(node, HELD);
  const other = await openRaw(node.http);
  other.send(command({ command: "join", topics: ["t"] }));
  expect(await other.nextJson()).toMatchObject({ topic: "@join" });
});
