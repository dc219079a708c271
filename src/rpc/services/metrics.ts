import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";
import type { MetricsService, NodeMetricsSchema } from "../../../gen/carillon/v1/metrics_pb.js";
import type { BackendAction } from "../../access/decide/actions.js";
import type { MetricsWatches } from "../../control/metrics-watches.js";
import type { NodeMetrics } from "../../control/node-readings.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import { durationToMilliseconds, toTimestamp } from "../values.js";

/** Action that each method needs. */
export const METRICS_ACTIONS: Readonly<Record<keyof typeof MetricsService.method, BackendAction>> = {
  watchMetrics: "vhosts",
};

/** Implements carillon.v1.MetricsService on {@link MetricsWatches}. */
export class MetricsImplementation implements ImplementationOf<typeof MetricsService> {
  readonly #watches: MetricsWatches;

  constructor(watches: MetricsWatches) {
    this.#watches = watches;
  }

  async *watchMetrics({ interval }: { readonly interval?: Duration | undefined }, { backend, signal }: RpcCall) {
    const milliseconds = durationToMilliseconds("interval", interval);
    for await (const { missingNodes, node, nodes, time } of this.#watches.watch(backend, milliseconds, signal)) {
      yield { time: toTimestamp(time), node, nodes: nodes.map(toNodeMessage), missingNodes: [...missingNodes] };
    }
  }
}

function toNodeMessage(metrics: NodeMetrics): MessageInitShape<typeof NodeMetricsSchema> {
  const { brokers, counters, heapBytes, memoryBytes, notReady, rates, uptime, ...same } = metrics;
  return {
    ...same,
    uptime: durationFromMs(Math.floor(uptime)),
    notReady: [...notReady],
    counters: {
      messagesIn: BigInt(counters.messagesIn),
      bytesIn: BigInt(counters.bytesIn),
      messagesOut: BigInt(counters.messagesOut),
      bytesOut: BigInt(counters.bytesOut),
      drops: Object.fromEntries(Object.entries(counters.drops).map(([reason, count]) => [reason, BigInt(count)])),
      cpuSeconds: counters.cpuSeconds,
    },
    ...(rates === undefined ? {} : { rates: { ...rates } }),
    memoryBytes: BigInt(memoryBytes),
    heapBytes: BigInt(heapBytes),
    brokers: brokers.map((broker) => ({ ...broker })),
  };
}
