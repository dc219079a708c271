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
