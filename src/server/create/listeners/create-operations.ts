import type { Handler } from "../../../net/http-handler.js";
import { healthz, type Readiness, readyz } from "../../../observe/health.js";
import { createMetricsHandler, type Metrics, type WrittenMetrics } from "../../../observe/metrics.js";
import { allowReads } from "../../../transport/http/methods.js";
import type { NodeContext } from "../node-context.js";

export interface OperationsContext extends Pick<NodeContext, "readiness" | "siblings"> {
  readonly metrics: Metrics;
}

/** Creates the handlers for health and metrics. Several processes of one machine answer as one node. */
export function createOperations({ metrics, readiness, siblings }: OperationsContext): Map<string, Handler> {
  const readAll = (): ReturnType<Readiness> => siblings?.readiness() ?? readiness();
  const write = (accept: string): Promise<WrittenMetrics> => siblings?.metrics() ?? metrics.write(accept);
  return new Map<string, Handler>([
    ["/healthz", allowReads(healthz)],
    ["/readyz", allowReads(readyz(readAll))],
    ["/metrics", allowReads(createMetricsHandler(write))],
  ]);
}
