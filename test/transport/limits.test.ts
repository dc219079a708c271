import { connect, wholeRefusal } from "../support/clients/native.js";
import { metric } from "../support/nodes/metrics.js";
import { startNode } from "../support/nodes/node.js";
import { closeFrame, connectRaw, openRaw, upgradeRequest } from "../support/raw/client.js";

test("L2: answers connections beyond the limit with 503 and the reason, and keeps the others", async () => {
  const node = await startNode({ limits: { connections: 2 } });
  const first = await connect(`${node.ws}/ws`);
  await connect(`${node.ws}/ws`);
  const { body, headers, status } = await wholeRefusal(`${node.ws}/ws`);
  expect(status).toBe(503);
  expect(JSON.parse(body)).toEqual({
    code: "unavailable",
    message: "this node has reached its connection limit",
  });
  expect(Number(headers["retry-after"])).toBeGreaterThanOrEqual(1);
  expect(await metric(node, "carillon_connections")).toBe(2);
  await first.join("foo");
});

test.each([
  ["a close frame", (client: Awaited<ReturnType<typeof openRaw>>) => client.send(closeFrame(1000))],
  ["a half-close", (client: Awaited<ReturnType<typeof openRaw>>) => client.socket.end()],
  ["a reset", (client: Awaited<ReturnType<typeof openRaw>>) => client.socket.resetAndDestroy()],
])("L2: accepts another client after one has left by %s", async (_, leave) => {
  const node = await startNode({ limits: { connections: 1 } });
  const first = await openRaw(node.http);
  leave(first);
  await first.gone;
  // The server may learn of the end later than this test, so retry until it has.
  let status = 0;
  for (let tries = 0; status !== 101 && tries < 1_000; tries += 1) {
    const client = await connectRaw(node.http);
    client.send(upgradeRequest());
    ({ status } = await client.response());
    client.socket.destroy();
  }
  expect(status).toBe(101);
});

test("L2: does not count refused or failed upgrades", async () => {
  const node = await startNode({ limits: { connections: 1 }, origins: [] });
  const bad = [
    upgradeRequest("/ws", { Origin: "http://evil.example" }),
    upgradeRequest("/nowhere"),
    upgradeRequest("/ws", { "Sec-WebSocket-Key": undefined }),
    upgradeRequest("/ws", { "Sec-WebSocket-Version": "7" }),
  ];
  for (const request of bad) {
    const client = await connectRaw(node.http);
    client.send(request);
    expect((await client.response()).status).toBeGreaterThanOrEqual(400);
  }
  const client = await connectRaw(node.http);
  client.send(upgradeRequest());
  expect((await client.response()).status).toBe(101);
});

test("L2: accepts exactly as many concurrent clients as the limit allows", async () => {
  const node = await startNode({ limits: { connections: 10 } });
  const clients = await Promise.all(Array.from({ length: 50 }, () => connectRaw(node.http)));
  for (const client of clients) client.send(upgradeRequest());
  const statuses = await Promise.all(clients.map(async (client) => (await client.response()).status));
  expect(statuses.filter((status) => status === 101)).toHaveLength(10);
  expect(statuses.filter((status) => status === 503)).toHaveLength(40);
});
