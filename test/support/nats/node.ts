import type { ConfigInput } from "../../../src/index.js";
import type { Logger } from "../../../src/observe/log.js";
import { knowEachOther } from "../nodes/metrics.js";
import { startNode, type TestNode } from "../nodes/node.js";

type NatsBroker = Extract<NonNullable<ConfigInput["brokers"]>[string], { driver: "nats" }>;

/** Starts a node whose only broker is NATS. */
export function startNatsNode(
  url: string,
  broker: Partial<NatsBroker> = {},
  config: ConfigInput = {},
  log?: Logger,
): Promise<TestNode> {
  return startNode({ brokers: { nats: { driver: "nats", servers: [url], ...broker } }, ...config }, log);
}

/** Starts two such nodes. Resolves when each knows the other one. */
export async function startTwoNatsNodes(url: string, config: ConfigInput = {}): Promise<readonly [TestNode, TestNode]> {
  const nodes = [await startNatsNode(url, {}, config), await startNatsNode(url, {}, config)] as const;
  await knowEachOther(nodes);
  return nodes;
}

/** Returns the status and text of a node's /readyz. */
export async function readiness(node: TestNode): Promise<{ status: number; text: string }> {
  const response = await fetch(`${node.http}/readyz`);
  return { status: response.status, text: await response.text() };
}

/** Resolves when /readyz answers with this status and text. Polls with round trips. */
export async function becomes(node: TestNode, status: 200 | 503): Promise<void> {
  while ((await readiness(node)).status !== status);
}
