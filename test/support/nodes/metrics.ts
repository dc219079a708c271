import type { TestNode } from "./node.js";

/** A node, in this process or another one. */
type Measured = Pick<TestNode, "http">;

/** Reads one figure of /metrics; 0 where it is not there. */
export async function metric(node: Measured, line: string): Promise<number> {
  const text = await (await fetch(`${node.http}/metrics`)).text();
  const found = text.split("\n").find((candidate) => candidate.startsWith(`${line} `));
  return found === undefined ? 0 : Number(found.slice(line.length + 1));
}

/** Asks again, one round trip after the other, until the figure is as large. */
export async function untilMetric(node: Measured, line: string, least: number): Promise<void> {
  while ((await metric(node, line)) < least);
}

/** Resolves when each of these nodes knows all of them. A start awaits only the nodes that answer within 300 ms. */
export async function knowEachOther(nodes: readonly Measured[]): Promise<void> {
  await Promise.all(nodes.map((node) => untilMetric(node, "carillon_nodes", nodes.length)));
}

/** Resolves when the figure is 0. */
export async function untilNone(node: Measured, line: string): Promise<void> {
  while ((await metric(node, line)) > 0);
}

/** Messages that backends have published, whether or not they have an answer yet. */
export const MESSAGES_IN = 'carillon_messages_in_total{source="backend"}';

/** Asks until the figure is the same for 40 consecutive round trips, so that nothing is in progress. */
export async function settled(node: Measured, line: string): Promise<number> {
  let last = await metric(node, line);
  for (let same = 0; same < 40; same += 1) {
    const now = await metric(node, line);
    if (now !== last) same = 0;
    last = now;
  }
  return last;
}
