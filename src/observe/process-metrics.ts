import { totalmem } from "node:os";
import { performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import { collectDefaultMetrics, type Registry } from "prom-client";
import { addRows, type MetricRow } from "./metric-rows.js";

/**
 * Interval at which the library samples the event loop, in milliseconds: the longest possible. Its figures contain the interval,
 * so {@link EventLoopDelay} replaces them.
 */
const NEVER = 2 ** 31 - 1;

/** Metrics of the library that contain its sampling interval. */
const MISLEADING = ["min", "max", "mean", "stddev", "p50", "p90", "p99"].map(
  (figure) => `nodejs_eventloop_lag_${figure}_seconds`,
);

/** Metrics of the library that list all sockets of the process each time, which takes long where there are many. */
const SLOW = ["handles", "requests", "resources"].flatMap((kind) => [
  `nodejs_active_${kind}`,
  `nodejs_active_${kind}_total`,
]);

const PROCESS: readonly MetricRow<undefined>[] = [
  {
    kind: "counter",
    name: "event_loop_active_seconds_total",
    help: "Time that the event loop was not idle.",
    read: () => performance.eventLoopUtilization().active / 1_000,
  },
  {
    kind: "gauge",
    name: "heap_limit_bytes",
    help: "Largest size of the JavaScript heap, at which the process ends.",
    read: () => getHeapStatistics().heap_size_limit,
  },
  {
    kind: "gauge",
    name: "memory_limit_bytes",
    // Processes share it.
    aggregator: "max",
    help: "Memory that the process may use: of its container, or of the machine.",
    // Without a limit, the system reports a number that is larger than any memory.
    read: () => Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem()),
  },
];

/** Adds the metrics of the process. */
export function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER });
  for (const name of [...MISLEADING, ...SLOW]) registry.removeSingleMetric(name);
  addRows(registry, undefined, PROCESS);
}
