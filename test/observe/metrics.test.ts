import { BroadcastService } from "../../gen/websockets/v1/websockets_pb.js";
import { packageVersion } from "../../src/util/package-root.js";
import { TestBackend } from "../support/backends/backend.js";
import { connect, refusedUpgrade } from "../support/clients/native.js";
import { recordLog } from "../support/nodes/log-records.js";
import { metric, untilMetric } from "../support/nodes/metrics.js";
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
