import type { Config } from "../../config/schema.js";
import { Metrics } from "../../observe/metrics.js";
import type { Foundations } from "./create-foundations.js";
import { createReadings } from "./create-readings.js";
import type { Services } from "./create-services.js";
import type { TopicRuntime } from "./create-topic-runtime.js";
import type { Listeners } from "./listeners/create-listeners.js";
import type { NodeContext } from "./node-context.js";

export interface MetricsContext extends Foundations, TopicRuntime, Services, Pick<NodeContext, "stopping"> {
  /** Called when metrics are read. */
  readonly listeners: () => Listeners;
}

/** Creates the metrics of a node, which read the counters of its parts. */
export function createMetrics(config: Config, context: MetricsContext): Metrics {
  const { clusterServices, commands, listeners, stopping, tracing } = context;
  const readings = createReadings({
    ...context,
    dispatch: clusterServices.dispatch,
    recoveries: commands.recoveries,
    draining: stopping,
    connectionLimit: () => config.limits.connections,
    connections: () => listeners().connections(),
    inflatedBytes: () => listeners().inflations.bytes,
    handshakes: () => listeners().handshakes.counts,
  });
  return new Metrics(readings, { exemplars: tracing !== undefined });
}
