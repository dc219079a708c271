import type { MessageShape } from "@bufbuild/protobuf";
import { MetricsService, type WatchMetricsResponseSchema } from "../../../gen/carillon/v1/metrics_pb.js";
import { mountsOf } from "../../support/backends/backend.js";
import { startNats } from "../../support/nats/server.js";
import { startCarillon } from "../../support/nodes/process.js";

const { watchMetrics } = MetricsService.method;

type ClusterReading = MessageShape<typeof WatchMetricsResponseSchema>;

test("C8: adds a node that joins, lists a killed one as missing at most, and drops it when it counts as dead", async () => {
  const server = await startNats();
  const asked = await startCarillon(["--broker", server.url]);
  const watches = mountsOf(asked).map((caller) => caller.open(watchMetrics, { interval: { seconds: 1n, nanos: 0 } }));
  const readUntil = async (condition: (reading: ClusterReading) => boolean): Promise<void> => {
    await Promise.all(
      watches.map(async (watch) => {
        for (;;) {
          const { done, value } = await watch.next();
          if (done === true) throw new Error("the watch has ended");
          if (condition(value as ClusterReading)) return;
        }
      }),
    );
  };
  await readUntil(({ nodes }) => nodes.length === 1);
  const joined = await startCarillon(["--broker", server.url]);
  const ids = new Set<string>();
  await readUntil(({ nodes }) => {
    for (const { id } of nodes) ids.add(id);
    return nodes.length === 2;
  });
  joined.child.kill("SIGKILL");
  await joined.exited;
  await readUntil(({ missingNodes, node, nodes }) => {
    expect([...missingNodes, ...nodes.map(({ id }) => id)].filter((id) => !ids.has(id))).toEqual([]);
    return missingNodes.length === 0 && nodes.length === 1 && nodes[0]?.id === node;
  });
  for (const watch of watches) await watch.return(undefined);
});
