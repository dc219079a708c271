import { HealthClient } from "../../support/backends/health.js";
import { startNats } from "../../support/nats/server.js";
import { startNode } from "../../support/nodes/node.js";

const SERVICE = "websockets.v1.BroadcastService";

test("R8: reports the health of the server and of each service, and of no other", async () => {
  const node = await startNode();
  const health = new HealthClient(node);
  expect(await health.check()).toBe("SERVING");
  expect(await health.check(SERVICE)).toBe("SERVING");
  expect(await health.check("unknown.Service")).toBe(5);
});

test("L8: reports NOT_SERVING while NATS is disconnected, and SERVING when it is back", async () => {
  const nats = await startNats();
  const node = await startNode({ brokers: { nats: { driver: "nats", servers: [nats.url] } } });
  const health = new HealthClient(node);
  const watches = ["", SERVICE].map((service) => health.watch(service));
  for (const watch of watches) await watch.until("SERVING");
  await nats.kill();
  for (const watch of watches) await watch.until("NOT_SERVING");
  expect(await health.check(SERVICE)).toBe("NOT_SERVING");
  await nats.start();
  for (const watch of watches) await watch.until("SERVING");
  expect(await health.check()).toBe("SERVING");
});

test("L7: sends NOT_SERVING to watchers when the node stops, without waiting for them", async () => {
  const node = await startNode({ stop_timeout: "1m" });
  const watch = new HealthClient(node).watch();
  await watch.until("SERVING");
  const stopped = node.carillon.stop();
  await watch.until("NOT_SERVING");
  expect(await watch.ended).toMatchObject({ code: 14, details: "this node is stopping" });
  await stopped;
});
