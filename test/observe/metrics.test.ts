import { BroadcastService } from "../../gen/websockets/v1/websockets_pb.js";
import { packageVersion } from "../../src/util/package-root.js";
import { TestBackend } from "../support/backends/backend.js";
import { say } from "../support/backends/publish.js";
import { connect, refusedUpgrade } from "../support/clients/native.js";
import { startNatsNode } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { recordLog } from "../support/nodes/log-records.js";
import { metric, untilMetric, untilNone } from "../support/nodes/metrics.js";
import { startNode } from "../support/nodes/node.js";

test("reports the version and the node", async () => {
  const node = await startNode();
  const text = await (await fetch(`${node.http}/metrics`)).text();
  const { version, id } =
    /^carillon_build_info\{version="(?<version>[^"]+)",node="(?<id>[^"]+)"\} 1$/m.exec(text)?.groups ?? {};
  expect([version, id]).toEqual([packageVersion, expect.stringMatching(/^[\da-f]{12}$/)]);
});

test("counts refused upgrades by reason", async () => {
  const node = await startNode();
  await refusedUpgrade(`${node.ws}/nowhere`);
  await refusedUpgrade(`${node.ws}/nowhere/else`);
  await refusedUpgrade(`${node.ws}/ws`, { headers: { origin: "https://evil.example" } });
  expect(await metric(node, 'carillon_upgrades_refused_total{reason="not_found"}')).toBe(2);
  expect(await metric(node, 'carillon_upgrades_refused_total{reason="permission_denied"}')).toBe(1);
});

test("counts failed publishes by source and by reason", async () => {
  const node = await startNode();
  const publish = (topic: string) => {
    return new TestBackend(node).ask(BroadcastService.method.publish, { messages: [{ topics: [topic] }] });
  };
  await publish("no topic");
  await publish("#neither");
  await publish("topic");
  const client = await connect(`${node.ws}/ws`);
  await client.ask({ command: "publish", topics: ["topic"], payload: "x" });
  expect(await metric(node, 'carillon_publishes_failed_total{source="backend",code="invalid_argument"}')).toBe(2);
  expect(await metric(node, 'carillon_publishes_failed_total{source="client",code="permission_denied"}')).toBe(1);
});

test("logs the first call of a backend that fails", async () => {
  const { log, of } = recordLog();
  const hooks = { url: "http://127.0.0.1:1", events: ["connect" as const] };
  const node = await startNode({ vhosts: { "/": { hooks } } }, log);
  await refusedUpgrade(`${node.ws}/ws`);
  expect(of("warn").filter(({ hook }) => hook !== undefined)).toEqual([
    expect.objectContaining({ vhost: "/", hook: "connect", msg: "a call to the backend failed" }),
  ]);
  await untilMetric(node, 'carillon_upgrades_refused_total{reason="unavailable"}', 1);
});

test("counts stored messages, duplicates, replays and recoveries", async () => {
  const node = await startNode({
    vhosts: { "/": { history: { chat: { messages: 2 } }, topics: [{ match: "room", history: "chat" }] } },
  });
  const publish = (topic: string, id: string) => {
    const messages = [{ topics: [topic], payload: Buffer.from(id), id }];
    return new TestBackend(node).call(BroadcastService.method.publish, { messages });
  };
  const ofMemory = (name: string): Promise<number> => metric(node, `carillon_history_${name}`);
  await publish("room", "one");
  await publish("room", "two");
  await publish("room", "two");
  await publish("other", "one");
  expect(await ofMemory('stored_total{broker="memory"}')).toBe(2);
  expect(await ofMemory('duplicates_total{broker="memory"}')).toBe(1);
  expect(await ofMemory('memory_messages{broker="memory"}')).toBe(2);
  const bytes = await ofMemory('memory_bytes{broker="memory"}');
  expect(bytes).toBeGreaterThanOrEqual(6);
  await publish("room", "six");
  // The oldest message has been removed.
  expect(await ofMemory('stored_total{broker="memory"}')).toBe(3);
  expect(await ofMemory('memory_messages{broker="memory"}')).toBe(2);
  expect(await ofMemory('memory_bytes{broker="memory"}')).toBe(bytes);

  const client = await connect(`${node.ws}/ws`);
  const joined = await client.ask({ command: "join", topics: ["room"], history: 0 });
  const { room: position = "" } = (joined as { readonly positions?: Readonly<Record<string, string>> }).positions ?? {};
  expect(await ofMemory('replays_total{broker="memory",source="ring"}')).toBe(0);
  const again = await connect(`${node.ws}/ws`);
  await again.ask({ command: "join", topics: ["room"], recover: { room: position } });
  expect(await ofMemory('replays_total{broker="memory",source="ring"}')).toBe(1);
  expect(await ofMemory('recoveries_total{result="recovered"}')).toBe(1);
  const other = await connect(`${node.ws}/ws`);
  await other.ask({ command: "join", topics: ["room"], recover: { room: "nonsense" } });
  expect(await ofMemory('recoveries_total{result="unknown_position"}')).toBe(1);
});

test("measures the time from a publish to the sockets", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  await say(node, "a", "x");
  await client.next();
  await untilMetric(node, "carillon_delivery_seconds_count", 1);
  expect(await metric(node, 'carillon_delivery_seconds_bucket{le="+Inf"}')).toBe(1);
  expect(await metric(node, "carillon_delivery_seconds_sum")).toBeLessThan(60);
});

test("counts the connections and messages of each vhost and broker", async () => {
  const node = await startNode({
    vhosts: { "/": { brokers: ["memory"] }, "/shop": { brokers: ["other"] } },
    brokers: { memory: { driver: "memory" }, other: { driver: "memory" } },
  });
  const clients = [await connect(`${node.ws}/ws/shop`), await connect(`${node.ws}/ws/shop`)];
  for (const client of clients) await client.join("a");
  await new TestBackend(node, { "carillon-vhost": "/shop" }).call(BroadcastService.method.publish, {
    messages: [{ topics: ["a", "b"], payload: Buffer.from("four") }],
  });
  for (const client of clients) await client.next();
  const read = (name: string): Promise<number> => metric(node, `carillon_${name}`);
  expect(await read('vhost_connections{vhost="/shop"}')).toBe(2);
  expect(await read('vhost_messages_in_total{vhost="/shop"}')).toBe(1);
  expect(await read('vhost_bytes_in_total{vhost="/shop"}')).toBe(4);
  expect(await read('vhost_messages_out_total{vhost="/shop"}')).toBe(2);
  expect(await read('broker_messages_in_total{broker="other"}')).toBe(1);
  expect(await read('broker_received_total{broker="other"}')).toBe(1);
  expect(await read('broker_messages_out_total{broker="other"}')).toBe(2);
  expect(await read('vhost_messages_in_total{vhost="/"}')).toBe(0);
  expect(await read("messages_out_total")).toBe(2);
});

test("names at most 100 vhosts, those of the configuration first, and the others together", async () => {
  const paths = ["/", ...Array.from({ length: 101 }, (_, number) => `/v${number}`)];
  const node = await startNode({ vhosts: Object.fromEntries(paths.map((path) => [path, {}])) });
  for (const path of ["/v98", "/v99", "/v100"]) await connect(`${node.ws}/ws${path}`);
  const text = await (await fetch(`${node.http}/metrics`)).text();
  const values = [...text.matchAll(/^carillon_vhost_connections\{vhost="(.*)"\} (\d)$/gm)];
  const counts = new Map(values.map(([, vhost, count]) => [vhost, Number(count)]));
  expect([...counts.keys()]).toEqual([...paths.slice(0, 100), "other"]);
  expect([counts.get("/v98"), counts.get("other")]).toEqual([1, 2]);
});

test("reports a slow client's backlog until the client has gone", async () => {
  const node = await startNode({ vhosts: { "/": { topics: [{ match: "a", slow_consumer: "drop_oldest" }] } } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  client.webSocket.pause();
  while ((await metric(node, "carillon_backlog_connections")) === 0) await say(node, "a", "x".repeat(100_000));
  expect(await metric(node, "carillon_backlog_bytes")).toBeGreaterThan(0);
  client.webSocket.terminate();
  await untilNone(node, "carillon_backlog_connections");
  expect(await metric(node, "carillon_backlog_bytes")).toBe(0);
});

test("reports a slow client's backlog until the client has read it", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  client.webSocket.pause();
  while ((await metric(node, "carillon_backlog_connections")) === 0) await say(node, "a", "x".repeat(100_000));
  client.webSocket.resume();
  await untilNone(node, "carillon_backlog_connections");
  expect(await metric(node, "carillon_backlog_bytes")).toBe(0);
});

test("measures the delay and the load of the event loop", async () => {
  const node = await startNode();
  const slow = 'carillon_event_loop_delay_seconds_bucket{le="0.1"}';
  await untilMetric(node, "carillon_event_loop_delay_seconds_count", 1);
  const [count, fast] = [await metric(node, "carillon_event_loop_delay_seconds_count"), await metric(node, slow)];
  const active = await metric(node, "carillon_event_loop_active_seconds_total");
  for (const end = Date.now() + 1_000; Date.now() < end; );
  // A delay of a second counts as ten late samples.
  await untilMetric(node, "carillon_event_loop_delay_seconds_count", count + 8);
  expect((await metric(node, "carillon_event_loop_delay_seconds_count")) - count).toBeGreaterThanOrEqual(8);
  expect((await metric(node, slow)) - fast).toBeLessThan(
    (await metric(node, "carillon_event_loop_delay_seconds_count")) - count,
  );
  expect((await metric(node, "carillon_event_loop_active_seconds_total")) - active).toBeGreaterThan(0.9);
  const text = await (await fetch(`${node.http}/metrics`)).text();
  expect(text).not.toMatch(/nodejs_eventloop_lag_p\d+/);
});

test("counts restored connections to NATS, and reports whether the broker and the cluster are connected", async () => {
  const server = await startNats();
  const node = await startNatsNode(server.url);
  expect(await metric(node, 'carillon_broker_reconnects_total{broker="nats"}')).toBe(0);
  expect(await metric(node, "carillon_cluster_up")).toBe(1);
  await server.kill();
  await untilNone(node, 'carillon_broker_up{broker="nats"}');
  await untilNone(node, "carillon_cluster_up");
  await server.start();
  await untilMetric(node, 'carillon_broker_reconnects_total{broker="nats"}', 1);
  await untilMetric(node, "carillon_cluster_up", 1);
  expect(await metric(node, 'carillon_broker_up{broker="nats"}')).toBe(1);
  expect(await metric(node, 'carillon_broker_pending_bytes{broker="nats"}')).toBe(0);
});

test("shows that the node is draining", async () => {
  const node = await startNode({ drain: { rate: 1, timeout: "10m" } });
  const clients = [await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`)];
  expect(await metric(node, "carillon_draining")).toBe(0);
  const stopped = node.carillon.stop();
  expect(await metric(node, "carillon_draining")).toBe(1);
  for (const { webSocket } of clients) webSocket.terminate();
  await stopped;
});
