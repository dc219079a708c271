import { until } from "../../../support/backends/backend.js";
import { connect, refusedUpgrade } from "../../../support/clients/native.js";
import {
  applicationConfig,
  ask,
  channelToken,
  connectionToken,
  enter,
  subscribe,
  webSocketUrl,
} from "../../../support/clients/rootsocket.js";
import { startCluster } from "../../../support/nodes/access-cluster.js";

test("S5: refuses a token in use by a connection of another node until that connection ends", async () => {
  const cluster = await startCluster(applicationConfig({}));
  const [one, other] = [await cluster.startNode(), await cluster.startNode()];
  const token = await connectionToken(one);
  const client = await enter(other, token);
  for (const node of [one, other]) expect((await refusedUpgrade(webSocketUrl(node, token))).status).toBe(401);
  client.webSocket.close();
  await client.closed;
  const again = await until(
    () =>
      connect(webSocketUrl(one, token)).then(
        () => "in",
        () => "refused",
      ),
    (outcome) => outcome === "in",
  );
  expect(again).toBe("in");
  expect((await refusedUpgrade(webSocketUrl(other, token))).status).toBe(401);
});

test("S5: admits one of many clients with the same token at two nodes", async () => {
  const cluster = await startCluster(applicationConfig({}));
  const [one, other] = [await cluster.startNode(), await cluster.startNode()];
  const token = await connectionToken(one);
  const tries = Array.from({ length: 20 }, (_, position) =>
    connect(webSocketUrl(position % 2 === 0 ? one : other, token)).then(
      () => "in",
      (error: unknown) => String(error),
    ),
  );
  const outcomes = await Promise.all(tries);
  expect(outcomes.filter((outcome) => outcome === "in")).toHaveLength(1);
  for (const outcome of outcomes) expect(outcome).toMatch(/^in$|401/);
});

test("S7, S8: delivers messages to clients of all nodes, and lists them all", async () => {
  const cluster = await startCluster(applicationConfig({}));
  const [one, other] = [await cluster.startNode(), await cluster.startNode()];
  const clients = [await enter(one), await enter(other)];
  const auth = await channelToken(one, "test");
  for (const client of clients) await subscribe(client, "test", auth);
  expect((await ask(one, "messages/", { body: { channel: "test", data: "x" } })).status).toBe(201);
  for (const client of clients) expect(await client.nextText()).toBe('{"event":"test","data":{"raw":"x"}}');
  const list = await until(
    async () =>
      (await ask(other, "connections/", { method: "GET" })).body as readonly { readonly identifier: string }[],
    (found) => found.length === 2,
  );
  expect(new Set(list.map(({ identifier }) => identifier)).size).toBe(2);
});
