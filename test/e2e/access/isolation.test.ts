import fc from "fast-check";
import { VHOSTS } from "../../support/isolation/model.js";
import { runStep } from "../../support/isolation/run.js";
import { histories } from "../../support/isolation/steps.js";
import { IsolationWorld, settingsOf } from "../../support/isolation/world.js";
import { startJetStream } from "../../support/nats/store.js";
import { AccessCluster } from "../../support/nodes/access-cluster.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

/** The third is created at run time. */
const configured = { vhosts: Object.fromEntries(VHOSTS.slice(0, 2).map((path) => [path, settingsOf(path)])) };

/**
 * Runs random steps (publish, join, list, manage) against nodes and a model whose vhosts are independent, and compares the
 * two after each step. All vhosts use the same names.
 */
async function expectIsolation(numRuns: number, start: () => Promise<readonly TestNode[]>): Promise<void> {
  await fc.assert(
    fc.asyncProperty(histories, async ({ open, steps }) => {
      const world = new IsolationWorld(await start());
      await world.start(open);
      for (const [number, step] of steps.entries()) {
        await runStep(world, step, number);
        await world.settle();
      }
      await world.end();
    }),
    { numRuns },
  );
}

test("A1, A2: isolates vhosts from each other under random operations", async () => {
  await expectIsolation(20, async () => [await startNode(configured)]);
});

test("A1, A10, A13: isolates vhosts on two nodes that share NATS", async () => {
  const { url } = await startJetStream();
  let run = 0;
  await expectIsolation(6, async () => {
    run += 1;
    const cluster = new AccessCluster(url, {
      brokers: { nats: { driver: "nats", servers: [url], prefix: `run${run}` } },
      store: { driver: "nats", bucket: `run${run}` },
      ...configured,
    });
    return [await cluster.startNode(), await cluster.startNode()];
  });
});
