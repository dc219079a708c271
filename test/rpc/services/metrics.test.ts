import type { MessageShape } from "@bufbuild/protobuf";
import { MetricsService, type WatchMetricsResponseSchema } from "../../../gen/carillon/v1/metrics_pb.js";
import { bearer, configuredKey, STATUS, TestBackend } from "../../support/backends/backend.js";
import { callersOf, statusOf, type TestCaller } from "../../support/backends/mounts.js";
import { connect } from "../../support/clients/native.js";
import { startTwoNatsNodes } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import { recordLog } from "../../support/nodes/log-records.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const { watchMetrics } = MetricsService.method;

const QUICK = { interval: { seconds: 0n, nanos: 250_000_000 } };

const VHOSTS = {
  "/": {
    keys: [
      configuredKey("manager", { actions: ["vhosts"] }),
      configuredKey("other", { actions: ["publish", "connections", "topics"] }),
    ],
  },
  "/shop": { keys: [configuredKey("shop", { actions: ["*"] })] },
};

type ClusterReading = MessageShape<typeof WatchMetricsResponseSchema>;

/** Reads a watch until the readings satisfy the condition. */
async function readUntil(
  caller: TestCaller,
  condition: (reading: ClusterReading) => boolean | Promise<boolean>,
  { key = "manager", request = QUICK }: { readonly key?: string; readonly request?: object } = {},
): Promise<ClusterReading> {
  for await (const answer of caller.open(watchMetrics, request, bearer(key))) {
    if (await condition(answer as ClusterReading)) return answer as ClusterReading;
  }
  throw new Error("the watch has ended");
}

async function refusalOf(caller: TestCaller, options: { readonly key?: string; readonly request?: object }) {
  try {
    await readUntil(caller, () => true, options);
    return { status: 0, message: "" };
  } catch (cause) {
    return statusOf(cause);
  }
}

async function withTraffic(node: TestNode): Promise<void> {
  const clients = [await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`)];
  for (const client of clients) await client.join("a", "b");
  await new TestBackend(node).say("a", "hello");
  for (const client of clients) await client.next();
}

test("C8: reports every node of the cluster, whichever node is asked, by every protocol", async () => {
  const server = await startNats();
  const [busy, idle] = await startTwoNatsNodes(server.url);
  await withTraffic(busy);
  for (const caller of [...callersOf(busy), ...callersOf(idle)]) {
    const reading = await readUntil(caller, ({ nodes }) => nodes.length === 2 && nodes[0]?.rates !== undefined);
    expect(reading.missingNodes).toEqual([]);
    expect(reading.nodes.map(({ id }) => id)).toContain(reading.node);
    expect(reading.nodes.map(({ id }) => id)).toEqual(reading.nodes.map(({ id }) => id).toSorted());
    expect(Number(reading.time?.seconds) * 1_000).toBeGreaterThan(Date.now() - 60_000);
    const [first, second] = reading.nodes.toSorted((one, other) => other.connections - one.connections);
    expect(first).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      notReady: [],
      connections: 2,
      topics: 2,
      subscriptions: 4,
      slowSessions: 0,
      workers: 0,
      counters: { messagesIn: 1n, bytesIn: 5n, messagesOut: 2n, drops: { slow_consumer: 0n } },
      brokers: [{ name: "nats", driver: "nats", connected: true }],
      clusterConnected: true,
      storeConnected: true,
    });
    expect(first?.counters?.bytesOut).toBeGreaterThan(10n);
    expect(first?.counters?.cpuSeconds).toBeGreaterThan(0);
    expect(first?.memoryBytes).toBeGreaterThan(first?.heapBytes ?? 0n);
    expect(first?.heapBytes).toBeGreaterThan(1_000_000n);
    expect(second).toMatchObject({ connections: 0, topics: 0, counters: { messagesIn: 0n, messagesOut: 0n } });
  }
});

test("C8: has no rates in a node's first reading, and the rates since the previous one afterwards", async () => {
  const node = await startNode();
  const backend = new TestBackend(node);
  const [caller] = callersOf(node);
  if (caller === undefined) throw new Error("no caller");
  let readings = 0;
  const reading = await readUntil(caller, async ({ nodes: [own] }) => {
    readings += 1;
    expect(own?.rates === undefined).toBe(readings === 1);
    await backend.say("a", "12345");
    return (own?.rates?.messagesIn ?? 0) > 0;
  });
  const { rates } = reading.nodes[0] ?? {};
  expect(rates?.bytesIn).toBeCloseTo(5 * (rates?.messagesIn ?? 0));
  expect(rates).toMatchObject({ messagesOut: 0, drops: 0 });
});

test("C8: counts a slow session while its connection does not accept messages, and no longer counts it after it has disconnected", async () => {
  const node = await startNode({ limits: { outbox: "16MiB" } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  client.webSocket.pause();
  const backend = new TestBackend(node);
  const [caller] = callersOf(node);
  if (caller === undefined) throw new Error("no caller");
  const text = "x".repeat(500_000);
  await readUntil(caller, async ({ nodes: [own] }) => {
    if (own?.slowSessions === 1) return true;
    await backend.say("a", text);
    return false;
  });
  client.webSocket.terminate();
  const after = await readUntil(caller, ({ nodes: [own] }) => own?.connections === 0);
  expect(after.nodes[0]).toMatchObject({ slowSessions: 0, subscriptions: 0 });
});

test("C8: refuses keys without the action `vhosts` on the default vhost, and intervals out of range", async () => {
  const node = await startNode({ vhosts: VHOSTS });
  for (const caller of callersOf(node)) {
    expect(await refusalOf(caller, { key: "other" })).toEqual({
      status: STATUS.permissionDenied,
      message: 'key "other" lacks the action "vhosts"',
    });
    expect(await refusalOf(caller, { key: "shop" })).toEqual({
      status: STATUS.permissionDenied,
      message: 'key "shop" lacks the action "vhosts" on the default vhost',
    });
    for (const [interval, shown] of [
      [{ seconds: 0n, nanos: 249_000_000 }, "0.249"],
      [{ seconds: 60n, nanos: 1_000_000 }, "60.001"],
    ] as const) {
      expect(await refusalOf(caller, { request: { interval } })).toEqual({
        status: STATUS.invalidArgument,
        message: `interval: expected 0.25 to 60 seconds, got ${shown}`,
      });
    }
    expect((await refusalOf(caller, { request: { interval: { seconds: -1n, nanos: 0 } } })).status).toBe(
      STATUS.invalidArgument,
    );
  }
});

test("C8: ends a watch with UNAVAILABLE when the node stops", async () => {
  const node = await startNode();
  for (const caller of callersOf(node).slice(0, 1)) {
    const watch = caller.open(watchMetrics, {}, bearer("any"));
    await watch.next();
    const stopped = node.carillon.stop();
    await expect(watch.next()).rejects.toMatchObject({ code: 14 });
    await stopped;
  }
});

test("C8: logs no error when callers leave", async () => {
  const { log, of } = recordLog();
  const node = await startNode({}, log);
  for (const caller of callersOf(node)) {
    const watch = caller.open(watchMetrics, {}, bearer("any"));
    await watch.next();
    await watch.return(undefined);
  }
  await node.carillon.stop();
  expect(of("error")).toEqual([]);
});
