import { connect } from "../support/clients/native.js";
import { startTwoNatsNodes } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { runCarillon } from "../support/nodes/process.js";

const CLIENTS = 40;

interface Step {
  readonly nodes: readonly { readonly clients: number; readonly closing: number }[];
  readonly total: number;
  readonly closed: number;
  readonly result?: string;
}

/** Connects clients to a node. Each connects once more when it is closed, as the load balancer decides. */
async function connectClients(first: TestNode, balance: () => TestNode): Promise<void> {
  const come = async (node: TestNode): Promise<void> => {
    const client = await connect(`${node.ws}/ws`);
    void client.closed
      .then(({ code }) => (code === 1012 ? come(balance()) : undefined))
      .catch(() => {
        // The test has ended.
      });
  };
  for (let count = 0; count < CLIENTS; count += 1) await come(first);
}

async function startTwo(): Promise<readonly [TestNode, TestNode]> {
  const server = await startNats();
  return startTwoNatsNodes(server.url);
}

async function rebalance({ http }: TestNode, ...options: readonly string[]) {
  const { code, stderr, stdout } = await runCarillon(["rebalance", "--server", http, ...options]);
  return { code, stderr, stdout };
}

test("L25: carillon rebalance moves clients until the nodes are even", async () => {
  const [full, empty] = await startTwo();
  await connectClients(full, () => empty);
  const { code, stdout } = await rebalance(full, "--json", "--rate", "10");
  const steps = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Step);
  expect([code, steps.at(-1)]).toMatchObject([0, { total: CLIENTS, closed: CLIENTS / 2, result: "even" }]);
  expect(steps.at(-1)?.nodes.map(({ clients }) => clients)).toEqual([CLIENTS / 2, CLIENTS / 2]);
  expect(Math.max(...steps.flatMap(({ nodes }) => nodes.map(({ closing }) => closing)))).toBe(10);
});

test("L25: carillon rebalance stops when closed clients come back to the same node", async () => {
  const [full] = await startTwo();
  await connectClients(full, () => full);
  const { code, stderr } = await rebalance(full);
  expect(code).toBe(1);
  expect(stderr).toContain(`carillon: ${CLIENTS} clients: `);
  expect(stderr).toContain("the nodes are not even: closed clients came back to the same nodes");
});

test("L25: carillon rebalance says that there is no other node, and refuses invalid options", async () => {
  const node = await startNode();
  expect(await rebalance(node)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^NODE +CLIENTS +STATE\n[\da-f]{12} +0 +ready\n$/),
    stderr: expect.stringContaining("there is no other node that is ready; 0 clients were closed"),
  });
  expect(await rebalance(node, "--rate", "-1")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--rate: expected a positive integer"),
  });
});
