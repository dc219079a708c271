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
/** One address of clients may hold a quarter: 1 MiB. */
const LIMITS = { frame: "512KiB", request: "512KiB", payload: "512KiB", receiving: "4MiB" } as const;

/** A backend that is asked about connections and does not answer until told to. */
async function startUndecided(): Promise<{ readonly url: string; readonly asked: ServerResponse[] }> {
  const asked: ServerResponse[] = [];
  const server = createServer((request, response) => {
    request.resume();
    asked.push(response);
  });
  cleanUp(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

test("L18: bytes of clients that wait for their admission count, and those beyond the budget are refused with 429", async () => {
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
  for (const response of backend.asked) response.writeHead(500).end();
  await untilNone(node, HELD);
});

test("L18: pieces of a few bytes that a waiting client sends count as much as they cost", async () => {
  const backend = await startUndecided();
  const hooks = { url: backend.url, events: ["connect" as const], timeout: "8s" };
  const node = await startNode({ limits: LIMITS, vhosts: { "/": { hooks } } });
  const client = await connectRaw(node.http);
  client.send(upgradeRequest());
  let sent = 0;
  // Each round trip on another connection makes the node read what has come.
  while ((await metric(node, HELD)) < 4 * KIB) {
    client.send("x");
    sent += 1;
  }
  expect(sent).toBeLessThan(100);
});
