import type { Cluster } from "../../../src/cluster/cluster.js";

/** Resolves when a node knows at least this many nodes, itself included. Its start awaits only those that answer within 300 ms. */
export async function knowsNodes(cluster: Cluster, size: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const check = (): void => {
      if (cluster.nodes.size >= size) resolve();
    };
    cluster.onNodes(check);
    check();
  });
}
