import { Keyring } from "../../src/access/keys/keyring.js";
import { ClusterNode } from "../../src/cluster/cluster-node.js";
import { LocalBus } from "../../src/cluster/local-bus.js";
import { MetricsWatches } from "../../src/control/metrics-watches.js";
import type { NodeReading } from "../../src/control/node-readings.js";
import { ManualClock } from "../support/manual-clock.js";

const ignoreErrors = (): void => {};

const READING: Omit<NodeReading, "uptime" | "counters"> = {
  version: "1.0.0",
  notReady: [],
  connections: 0,
  topics: 0,
  subscriptions: 0,
  slowSessions: 0,
  workers: 0,
  eventLoopDelayP99: 0,
  eventLoopDelayMax: 0,
  memoryBytes: 0,
  heapBytes: 0,
  brokers: [],
  clusterConnected: true,
  storeConnected: true,
};

const OPERATOR = new Keyring({ clock: new ManualClock(), open: true, hasVhost: () => true }).identifyKey("any", "/");

/** Watches of a single node that accepts four messages and drops two in each second, and uses half of a core. */
function createWatches() {
  const clock = new ManualClock();
  const cluster = new ClusterNode({ node: "one", bus: new LocalBus(ignoreErrors), clock, onError: ignoreErrors });
  let reads = 0;
  const readNode = (): NodeReading => {
    reads += 1;
    const seconds = clock.monotonic() / 1_000;
    const counters = {
      messagesIn: seconds * 4,
      bytesIn: seconds * 40,
      messagesOut: seconds * 8,
      bytesOut: seconds * 80,
      drops: { latest: seconds, slow_consumer: seconds },
      cpuSeconds: seconds / 2,
    };
    return { ...READING, uptime: clock.monotonic(), counters };
  };
  const watches = new MetricsWatches({ cluster, clock, readNode });
  return { clock, watches, reads: () => reads };
}

test("C8: computes the rates of each watch over its own interval", async () => {
  const { clock, watches } = createWatches();
  const watch = watches.watch(OPERATOR, 2_000, new AbortController().signal);
  const first = await watch.next();
  expect(first.value).toMatchObject({ node: "one", missingNodes: [], nodes: [{ id: "one", rates: undefined }] });
  const next = watch.next();
  while (clock.timers === 0) await Promise.resolve();
  clock.advance(2_000);
  expect((await next).value).toMatchObject({
    nodes: [{ rates: { messagesIn: 4, bytesIn: 40, messagesOut: 8, bytesOut: 80, drops: 2, cpu: 0.5 } }],
  });
  await watch.return(undefined);
  expect(clock.timers).toBe(0);
});

test("C8: reads a node once for all watches of the same moment", async () => {
  const { reads, watches } = createWatches();
  const open = Array.from({ length: 10 }, () => watches.watch(OPERATOR, 1_000, new AbortController().signal));
  await Promise.all(open.map((watch) => watch.next()));
  expect(reads()).toBe(1);
  await Promise.all(open.map((watch) => watch.return(undefined)));
});

test("C8: serves 256 watches at a time", async () => {
  const { watches } = createWatches();
  const open = Array.from({ length: 256 }, () => watches.watch(OPERATOR, 1_000, new AbortController().signal));
  await Promise.all(open.map((watch) => watch.next()));
  const further = watches.watch(OPERATOR, 1_000, new AbortController().signal);
  await expect(further.next()).rejects.toMatchObject({ code: "resource_exhausted" });
  await open[0]?.return(undefined);
  const later = watches.watch(OPERATOR, 1_000, new AbortController().signal);
  expect((await later.next()).done).toBe(false);
  await Promise.all([...open, later].map((watch) => watch.return(undefined)));
});

test("C8: ends a watch when its caller disconnects, and all when the node stops", async () => {
  const { clock, watches } = createWatches();
  const caller = new AbortController();
  const abandoned = watches.watch(OPERATOR, 1_000, caller.signal);
  const other = watches.watch(OPERATOR, 1_000, new AbortController().signal);
  await Promise.all([abandoned.next(), other.next()]);
  const ends = [abandoned.next(), other.next()] as const;
  while (clock.timers < 2) await Promise.resolve();
  caller.abort(new Error("gone"));
  await expect(ends[0]).rejects.toThrow("gone");
  watches.stop();
  await expect(ends[1]).rejects.toMatchObject({ code: "unavailable" });
  expect(clock.timers).toBe(0);
});
