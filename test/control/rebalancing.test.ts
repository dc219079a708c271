import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { bearer, configuredKey, TestBackend } from "../support/backends/backend.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { startTwoNatsNodes } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { startNode } from "../support/nodes/node.js";

const { rebalance } = ControlService.method;

const CLOSED = { code: 1012, reason: "rebalancing, retry after 0-1 s" };

const ascending = (one: number, other: number): number => one - other;

async function connectMany({ ws }: { readonly ws: string }, count: number): Promise<TestClient[]> {
  const clients: TestClient[] = [];
  while (clients.length < count) clients.push(await connect(`${ws}/ws`));
  return clients;
}

test("L25: closes the surplus of a node, the oldest clients first, until the nodes are even", async () => {
  const server = await startNats();
  const [full, empty] = await startTwoNatsNodes(server.url);
  const clients = await connectMany(full, 10);
  const backend = new TestBackend(empty);
  const before = await backend.call(rebalance, { dryRun: true });
  expect(before).toMatchObject({ total: 10, even: false, missingNodes: [] });
  expect(before.nodes.map(({ clients: count }) => count).toSorted(ascending)).toEqual([0, 10]);
  for (const node of before.nodes) expect(node).toMatchObject({ closing: 0, ready: true });

  const begun = await backend.call(rebalance, { rate: 1_000 });
  expect(begun.nodes.map(({ closing }) => closing).toSorted(ascending)).toEqual([0, 5]);
  for (const { closed } of clients.slice(0, 5)) expect(await closed).toEqual(CLOSED);
  // Clients on their way back count.
  const meanwhile = await backend.call(rebalance, { rate: 1_000, total: begun.total });
  expect(meanwhile).toMatchObject({ total: 10, even: true });

  await connectMany(empty, 5);
  const after = await backend.call(rebalance, { rate: 1_000, total: begun.total });
  expect(after).toMatchObject({ total: 10, even: true });
  expect(after.nodes.map(({ clients: count }) => count)).toEqual([5, 5]);
  for (const client of clients.slice(5)) await client.join("still-here");
});

test("L25: closes nothing within the tolerance, and at most the rate", async () => {
  const server = await startNats();
  const nodes = await startTwoNatsNodes(server.url);
  await connectMany(nodes[0], 8);
  await connectMany(nodes[1], 2);
  const backend = new TestBackend(nodes[0]);
  expect(await backend.call(rebalance, { tolerance: 60 })).toMatchObject({ even: true });
  const answer = await backend.call(rebalance, { tolerance: 1, rate: 1 });
  expect(answer.even).toBe(false);
  expect(answer.nodes.map(({ closing }) => closing).toSorted(ascending)).toEqual([0, 1]);
});

test("L25: closes nothing on a single node, and rejects values that are out of range", async () => {
  const node = await startNode();
  const [client] = await connectMany(node, 1);
  const backend = new TestBackend(node);
  expect(await backend.call(rebalance, {})).toMatchObject({ total: 1, even: true });
  expect(await backend.ask(rebalance, { tolerance: 101 })).toMatchObject({
    message: "tolerance: expected 1 to 100, got 101",
  });
  expect(await backend.ask(rebalance, { rate: 100_001 })).toMatchObject({
    message: "rate: expected 1 to 100000, got 100001",
  });
  await client?.join("still-here");
});

test("L25: refuses keys of other vhosts, and keys without the action `vhosts`", async () => {
  const keys = [configuredKey("weak", { actions: ["connections"] })];
  const node = await startNode({
    vhosts: { "/": { keys }, "/shop": { keys: [configuredKey("shop", { actions: ["vhosts"] })] } },
  });
  for (const secret of ["weak", "shop"]) {
    expect(await new TestBackend(node, bearer(secret)).ask(rebalance)).toMatchObject({
      message: expect.stringContaining("lacks the action"),
    });
  }
});
