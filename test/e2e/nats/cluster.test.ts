import { publish, say } from "../../support/backends/publish.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import { routesTo, startNatsCluster } from "../../support/nats/cluster.js";
import { becomes, startNatsNode } from "../../support/nats/node.js";
import type { NatsServer } from "../../support/nats/server.js";
import type { TestNode } from "../../support/nodes/node.js";

async function startNodes(servers: readonly NatsServer[]): Promise<TestNode[]> {
  return Promise.all(servers.map((server) => startNatsNode(server.url)));
}

/** Publishes numbers until every client has received one. Resolves with the next number. */
async function publishUntilHeard(
  node: TestNode,
  topic: string,
  from: number,
  clients: readonly TestClient[],
): Promise<number> {
  let number = from;
  do {
    await say(node, topic, String(number));
    number += 1;
  } while (clients.some((client) => client.unread.length === 0));
  return number;
}

async function numbersUntil(client: TestClient, last: number): Promise<number[]> {
  const numbers: number[] = [];
  while (numbers.at(-1) !== last) numbers.push(Number((await client.next()).payload));
  return numbers;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, position) => first + position);
}

test("O2: delivers all messages after the first in order, once, and alike on one node, in a NATS cluster", async () => {
  const servers = await startNatsCluster(3);
  const nodes = await startNodes(servers);
  const [publisher] = nodes;
  if (publisher === undefined) throw new Error("no node");

  for (let round = 0; round < 5; round += 1) {
    const topic = `foo.${round}`;
    // The two clients of a node never differ. The first node uses the publisher's server, where delivery is exact.
    const clients = await Promise.all(
      nodes.map(async (node) => {
        const pair = [await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`)] as const;
        await Promise.all(pair.map((client) => client.join(topic)));
        return pair;
      }),
    );
    let last = await publishUntilHeard(publisher, topic, 0, clients.flat());
    for (const end = last + 30; last < end; last += 1) await say(publisher, topic, String(last));

    for (const [position, pair] of clients.entries()) {
      const [one, other] = await Promise.all(pair.map((client) => numbersUntil(client, last - 1)));
      const first = one?.[0] ?? Number.NaN;
      expect(one).toEqual(range(first, last - 1));
      expect(other).toEqual(one);
      expect(first).toBeGreaterThanOrEqual(0);
      // The publisher's server has the subscription when the join is answered.
      expect(position === 0 ? first : 0).toBe(0);
    }
  }
});

test("O9: moves to another server of a NATS cluster when its server dies, although it was configured with one only", async () => {
  const servers = await startNatsCluster(3);
  const [lost, left, ...rest] = servers;
  const [node, other] = await startNodes(servers);
  if (lost === undefined || left === undefined || node === undefined || other === undefined) throw new Error("too few");
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  await publishUntilHeard(other, "foo", 0, [client]);

  await lost.kill();
  await becomes(node, 503);
  await becomes(node, 200);
  for (const server of [left, ...rest]) await routesTo(server, 1);

  // The connection and the topic work in both directions.
  await say(node, "foo", "1000");
  await numbersUntil(client, 1_000);
  let last = await publishUntilHeard(other, "foo", 1_001, [client]);
  for (const end = last + 20; last < end; last += 1) await say(other, "foo", String(last));
  const numbers = await numbersUntil(client, last - 1);
  expect(numbers).toEqual(range(numbers[0] ?? Number.NaN, last - 1));
  const elsewhere = await connect(`${other.ws}/ws`);
  await elsewhere.join("bar");
  await publishUntilHeard(node, "bar", 0, [elsewhere]);
  expect(client.webSocket.readyState).toBe(client.webSocket.OPEN);
  expect(await publish(node, [{ topics: ["foo"], payload: "x" }])).toMatchObject({ ok: true });
});
