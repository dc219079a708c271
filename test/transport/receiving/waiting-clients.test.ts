import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { cleanUp } from "../../support/clean-up.js";
import { metric, untilMetric, untilNone } from "../../support/nodes/metrics.js";
import { startNode } from "../../support/nodes/node.js";
import { connectRaw, frame, OPCODE, upgradeRequest } from "../../support/raw/client.js";

const KIB = 1_024;
const HELD = "carillon_receiving_bytes";
const REFUSED = 'carillon_receiving_refused_total{share="address"}';
/** Budget of the node; one address of clients may hold a quarter of it, 1 MiB. */
const LIMITS = { frame: "512KiB", request: "512KiB", payload: "512KiB", receiving: "4MiB" } as const;

/** Starts a backend that leaves requests about connections unanswered until the test answers them. */
async function startUndecided(): Promise<{ readonly url: string; readonly pending: ServerResponse[] }> {
  const pending: ServerResponse[] = [];
  const server = createServer((request, response) => {
    request.resume();
    pending.push(response);
  });
  cleanUp(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, pending };
}

test("L18: counts bytes of clients that wait for admission, and refuses clients beyond the budget with 429", async () => {
  const backend = await startUndecided();
  const hooks = { url: backend.url, events: ["connect" as const], timeout: "8s", concurrency: 100 };
  const node = await startNode({ limits: LIMITS, vhosts: { "/": { hooks } } });
  const clients = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const client = await connectRaw(node.http);
      client.send(upgradeRequest(), frame(OPCODE.text, "x".repeat(60_000)));
      return client;
    }),
  );
  await untilMetric(node, REFUSED, 8);
  const { headers, status } = await Promise.any(clients.map((client) => client.response()));
  expect([status, headers.get("retry-after")]).toEqual([429, "1"]);
  await untilMetric(node, HELD, 900 * KIB);
  expect(await metric(node, HELD)).toBeLessThanOrEqual(1_024 * KIB);
  for (const response of backend.pending) response.writeHead(500).end();
  await untilNone(node, HELD);
});

test("L18: counts the cost of small chunks that a waiting client sends", async () => {
  const backend = await startUndecided();
  const hooks = { url: backend.url, events: ["connect" as const], timeout: "8s" };
  const node = await startNode({ limits: LIMITS, vhosts: { "/": { hooks } } });
  const client = await connectRaw(node.http);
  client.send(upgradeRequest());
  let sent = 0;
  // Each round trip on another connection makes the node read the received bytes.
  while ((await metric(node, HELD)) < 4 * KIB) {
    client.send("x");
    sent += 1;
  }
  expect(sent).toBeLessThan(100);
});
