import { publish } from "../../support/backends/publish.js";
import { startNats } from "../../support/nats/server.js";
import { recordLog } from "../../support/nodes/log-records.js";
import { metric, untilMetric } from "../../support/nodes/metrics.js";
import { startNode } from "../../support/nodes/node.js";

const UNCONFIRMED = 'carillon_drops_total{reason="unconfirmed"}';

test("R2: counts and logs accepted messages that NATS does not confirm", async () => {
  const server = await startNats();
  const { log, of } = recordLog();
  const node = await startNode({ brokers: { nats: { driver: "nats", servers: [server.url] } } }, log);
  const messages = [
    { topics: ["foo"], payload: "1" },
    { topics: ["foo"], payload: "2" },
  ];
  expect(await publish(node, messages, "Publish")).toMatchObject({ ok: true });

  server.signal("SIGSTOP");
  expect(await publish(node, messages, "PublishAsync")).toMatchObject({
    ok: true,
    receipts: [{ stage: "STAGE_ACCEPTED" }, { stage: "STAGE_ACCEPTED" }],
  });
  expect(await metric(node, UNCONFIRMED)).toBe(0);
  await server.kill();
  await untilMetric(node, UNCONFIRMED, 2);
  expect(await metric(node, UNCONFIRMED)).toBe(2);
  expect(of("warn").filter(({ messages: lost }) => lost === 2)).toHaveLength(1);
});
