import { TestStream } from "../rpc/support/subscribe-stream.js";
import { callersOf } from "../support/backends/mounts.js";
import { say } from "../support/backends/publish.js";
import { startWorker } from "../support/backends/worker.js";
import { ENTRY_POINTS } from "../support/clients/entry-points.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { metric, untilMetric } from "../support/nodes/metrics.js";
import { startNode } from "../support/nodes/node.js";

/** A drain that lasts for as long as a test needs: only the first client is closed at once. */
const SLOW = { rate: 1, timeout: "10m", spread: "20s" };
const CLOSED = { code: 1012, reason: "service restart, retry after 1-20 s" };

/** Number of clients, so that the last one is not closed during a test. */
const CLIENTS = 100;

async function connectAll(ws: string): Promise<{ first: TestClient; last: TestClient; leave: () => void }> {
  const clients: TestClient[] = [];
  for (let count = 0; count < CLIENTS; count += 1) clients.push(await connect(`${ws}/ws`));
  const [first] = clients;
  const last = clients.at(-1);
  if (first === undefined || last === undefined) throw new Error("no clients");
  await last.join("foo");
  const leave = (): void => {
    for (const { webSocket } of clients) webSocket.terminate();
  };
  return { first, last, leave };
}

test("L7: serves backends and the clients that are not closed yet while it drains", async () => {
  const node = await startNode({ drain: SLOW });
  const { first, last, leave } = await connectAll(node.ws);
  const stopped = node.carillon.stop();
  expect(await first.closed).toEqual(CLOSED);
  await say(node, "foo", "still here");
  expect(await last.next()).toMatchObject({ topic: "foo", payload: "still here" });
  const ready = await fetch(`${node.http}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([503, "stopping\n"]);
  leave();
  await stopped;
});

test("L7: refuses new clients of all dialects with Retry-After while it drains", async () => {
  const node = await startNode({ drain: SLOW });
  const { first, leave } = await connectAll(node.ws);
  const stopped = node.carillon.stop();
  await first.closed;
  for (const [name, tryConnect] of ENTRY_POINTS) {
    const { retryAfter = 0, status } = await tryConnect(node);
    expect([name, status]).toEqual([name, 503]);
    expect(retryAfter).toBeGreaterThanOrEqual(1);
    expect(retryAfter).toBeLessThanOrEqual(20);
  }
  expect(await metric(node, 'carillon_handshakes_total{result="stopping"}')).toBe(ENTRY_POINTS.length);
  leave();
  await stopped;
});

test("L7, R25: refuses new subscriptions of backends, and lets workers leave, while it drains", async () => {
  const node = await startNode({ drain: SLOW });
  const { first, leave } = await connectAll(node.ws);
  await startWorker(node, ["resize"]);
  await untilMetric(node, "carillon_workers", 1);
  const stopped = node.carillon.stop();
  await first.closed;
  for (const caller of callersOf(node)) {
    const stream = new TestStream(caller, { topics: ["a"] });
    expect(await stream.status()).toEqual({ status: 14, message: "this node is stopping" });
  }
  while ((await metric(node, "carillon_workers")) > 0);
  leave();
  await stopped;
});

test("L7: closes all remaining clients at the end of drain.timeout", async () => {
  const node = await startNode({ drain: { ...SLOW, timeout: "0" } });
  const clients = [await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`)];
  await node.carillon.stop();
  for (const { closed } of clients) expect(await closed).toEqual(CLOSED);
});

test.each(ENTRY_POINTS)(
  "L22: refuses clients beyond admission.rate with Retry-After: %s",
  async (_name, tryConnect) => {
    const node = await startNode({ admission: { rate: 1 } });
    const first = await tryConnect(node);
    expect([101, 200]).toContain(first.status);
    let next = first;
    while (next.status !== 503) next = await tryConnect(node);
    expect(next.retryAfter).toBeGreaterThanOrEqual(1);
    expect(next.retryAfter).toBeLessThanOrEqual(6);
    expect(await metric(node, 'carillon_handshakes_total{result="rate"}')).toBe(1);
    expect(await metric(node, 'carillon_handshakes_total{result="admitted"}')).toBeGreaterThanOrEqual(1);
    // Backends are not limited.
    await say(node, "foo", "hello");
  },
);
