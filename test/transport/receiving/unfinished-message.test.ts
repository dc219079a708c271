import { connect as connectClient } from "../../support/clients/native.js";
import { metric, untilMetric, untilNone } from "../../support/nodes/metrics.js";
import { startNode } from "../../support/nodes/node.js";
import { closeText, frame, OPCODE, openRaw, type RawClient } from "../../support/raw/client.js";

const KIB = 1_024;
const HELD = "carillon_receiving_bytes";
/** Smallest budget that the configuration accepts. */
const LIMITS = { frame: "512KiB", request: "512KiB", payload: "512KiB", receiving: "4MiB" } as const;

/** Sends the start of a message of 400 KiB, for each path. */
const BEGINNINGS: readonly (readonly [string, string, (client: RawClient) => void])[] = [
  ["one frame, /ws", "/ws", (client) => client.send(frame(OPCODE.text, "x".repeat(400 * KIB)).subarray(0, 380 * KIB))],
  [
    "fragments with pongs between them, /ws",
    "/ws",
    (client) => {
      for (let count = 0; count < 19; count += 1) {
        const opcode = count === 0 ? OPCODE.text : OPCODE.continuation;
        client.send(frame(opcode, "x".repeat(20 * KIB), { final: false }));
        client.send(frame(OPCODE.pong, "y".repeat(125)));
      }
    },
  ],
  [
    "one frame, Socket.IO",
    "/socket.io/?EIO=4&transport=websocket",
    (client) => client.send(frame(OPCODE.text, "x".repeat(400 * KIB)).subarray(0, 380 * KIB)),
  ],
];

/** Reads frames up to the close frame or the end of the connection. */
async function closeOf(client: RawClient | undefined): Promise<string> {
  if (client === undefined) throw new Error("no client");
  for (;;) {
    const received = await client.next();
    if (received.opcode === OPCODE.close) return closeText(received.payload);
  }
}

test.each(BEGINNINGS)(
  "L15: counts incomplete messages of WebSocket clients, and closes connections beyond the budget: %s",
  async (_, path, begin) => {
    const node = await startNode({ limits: LIMITS });
    const honest = await connectClient(`${node.ws}/ws`);
    const clients: RawClient[] = [];
    // One address of clients gets a quarter of the 4 MiB, which holds two messages.
    for (let count = 0; count < 3; count += 1) {
      const client = await openRaw(node.ws, path);
      clients.push(client);
      begin(client);
      if (count < 2) await untilMetric(node, HELD, (count + 1) * 300 * KIB);
    }
    expect(await closeOf(clients[2])).toBe("1013 too much data in transit on this node: try again later");
    expect(await metric(node, HELD)).toBeLessThanOrEqual(1_024 * KIB);
    await honest.join("news");
    for (const { socket } of clients) socket.destroy();
    await untilNone(node, HELD);
  },
);

test("L15: stops counting a complete message", async () => {
  const node = await startNode({ limits: LIMITS });
  const client = await openRaw(node.ws);
  const bytes = frame(OPCODE.text, "x".repeat(200 * KIB));
  for (let count = 0; count < 5; count += 1) {
    client.send(bytes.subarray(0, 150 * KIB));
    await untilMetric(node, HELD, 100 * KIB);
    client.send(bytes.subarray(150 * KIB));
    expect(await client.nextText()).toContain("#error");
    await untilNone(node, HELD);
  }
});

test("L15: does not count pings and pongs", async () => {
  const node = await startNode({ limits: LIMITS });
  const client = await openRaw(node.ws);
  const pings = Buffer.concat(Array.from({ length: 200 }, () => frame(OPCODE.pong, "y".repeat(125))));
  for (let count = 0; count < 40; count += 1) client.send(pings);
  await client.join("news");
  expect(await metric(node, HELD)).toBe(0);
});
