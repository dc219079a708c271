import type { IncomingMessage, ServerResponse } from "node:http";
import { AggregatorRegistry, Counter, Histogram, Registry } from "prom-client";
import { type ErrorCode, WEBSOCKET_CLOSE } from "../errors.js";
import { EventLoopDelay } from "./event-loop-delay.js";
import { GatheredHistogram, type MeasuredTrace } from "./gathered-histogram.js";
import { HISTORY_METRICS } from "./history-metrics.js";
import { addRows } from "./metric-rows.js";
import { NODE_METRICS } from "./node-metrics.js";
import { createExemplarRegistry, createFormat, OPEN_METRICS } from "./open-metrics.js";
import { addProcessMetrics } from "./process-metrics.js";
import type { Readings } from "./readings.js";

/** Close codes that this server uses itself. */
const OWN_CODES = new Set(Object.values(WEBSOCKET_CLOSE).map(([code]) => code));

/** Code of connections that were closed because too many have not sent a request. */
export const PENDING = "PENDING";
/** Known codes: PENDING, and the errors of accept(2) for a process or system without resources. */
const ACCEPT_ERRORS = new Set([PENDING, "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED"]);

/** Upper bounds of the buckets of answers, in seconds: 50 µs to 10 s. */
const LATENCY_BUCKETS = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Upper bounds of buckets for times that are known to the millisecond, in seconds. */
const MILLISECOND_BUCKETS = LATENCY_BUCKETS.filter((bound) => bound >= 0.001);

/** Maximum number of sampled deliveries in each interval of the event loop's samples: 100 per second. */
const DELIVERY_SAMPLES = 10;

export interface MetricsOptions {
  /** Whether histograms of latencies name traces as examples (exemplars), in the format OpenMetrics. */
  readonly exemplars: boolean;
}

/** The node's metrics in Prometheus' text format. Names and units follow Prometheus' conventions. */
export class Metrics {
  /** Writes Prometheus' format. */
  readonly #registry: Registry;
  /** Writes OpenMetrics, which has exemplars. Undefined without them. */
  readonly #openMetrics: Registry | undefined;
  readonly #publishSeconds: GatheredHistogram;
  readonly #deliverySeconds: GatheredHistogram;
  readonly #closes: Counter;
  readonly #refusedUpgrades: Counter;
  readonly #refusedConnections: Counter;
  readonly #eventLoopDelay: EventLoopDelay;
  /** Number of deliveries that may be sampled in this interval. Counting them costs less than reading the clock. */
  #samplesLeft = DELIVERY_SAMPLES;

  constructor(readings: Readings, { exemplars }: MetricsOptions) {
    const registry = exemplars ? createExemplarRegistry() : new Registry();
    const registers = [registry];
    addProcessMetrics(registry);
    const delays = new Histogram({
      name: "carillon_event_loop_delay_seconds",
      help: "Delay of the event loop, sampled every 100 ms.",
      buckets: MILLISECOND_BUCKETS,
      registers,
    });
    this.#eventLoopDelay = new EventLoopDelay((seconds) => {
      delays.observe(seconds);
      this.#samplesLeft = DELIVERY_SAMPLES;
    });
    this.#publishSeconds = new GatheredHistogram({
      name: "carillon_publish_seconds",
      help: "Time from a publish request to its answer.",
      buckets: LATENCY_BUCKETS,
      enableExemplars: exemplars,
      registers,
    });
    this.#deliverySeconds = new GatheredHistogram({
      name: "carillon_delivery_seconds",
      help: "Time from the acceptance of a message, on any node, until it was written to the sockets of this node; sampled.",
      buckets: MILLISECOND_BUCKETS,
      enableExemplars: exemplars,
      registers,
    });
    this.#closes = new Counter({
      name: "carillon_connections_closed_total",
      help: "Ended WebSocket connections, by close code.",
      labelNames: ["code"],
      registers,
    });
    this.#refusedUpgrades = new Counter({
      name: "carillon_upgrades_refused_total",
      help: "Refused WebSocket upgrades, by error code.",
      labelNames: ["reason"],
      registers,
    });
    this.#refusedConnections = new Counter({
      name: "carillon_accept_errors_total",
      help: "Connections closed on accept, by code: the system's, or PENDING.",
      labelNames: ["code"],
      registers,
    });
    addRows(registry, readings, [...NODE_METRICS, ...HISTORY_METRICS]);
    this.#registry = exemplars ? createFormat(registry, false) : registry;
    this.#openMetrics = exemplars ? createFormat(registry, true) : undefined;
  }

  observePublish(seconds: number, trace?: MeasuredTrace): void {
    this.#publishSeconds.observe(seconds, trace);
  }

  /**
   * Measures the delivery of a message that was just written, unless enough were measured a moment ago. Called at most once for
   * each write of a turn.
   * @param message - its time is read only where it is counted
   */
  observeDelivery(message: { readonly time: number; readonly trace?: MeasuredTrace | undefined }): void {
    if (this.#samplesLeft === 0) return;
    this.#samplesLeft -= 1;
    // Without exemplars the trace is not read, because that would parse the headers of a message from NATS.
    this.#deliverySeconds.observe(Math.max(0, Date.now() - message.time) / 1_000, this.#openMetrics && message.trace);
  }

  /** @param code - of the close frame, or 1006 without one. Codes that clients chose (3000 to 4999) are counted as `other` */
  countClose(code: number): void {
    this.#closes.inc({ code: code < 3_000 || OWN_CODES.has(code) ? code : "other" });
  }

  /** @param reason - one of a fixed set */
  countRefusedUpgrade(reason: ErrorCode): void {
    this.#refusedUpgrades.inc({ reason });
  }

  /** @param code - error code of the system, such as EMFILE, or PENDING */
  countRefusedConnection(code: string): void {
    this.#refusedConnections.inc({ code: ACCEPT_ERRORS.has(code) ? code : "other" });
  }

  /** Writes the metrics in Prometheus' text format or, where a request accepts it, in OpenMetrics. */
  async write(accept: string): Promise<WrittenMetrics> {
    const registry = accept.includes(OPEN_METRICS) && this.#openMetrics ? this.#openMetrics : this.#registry;
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  /** Reads the metrics, for {@link aggregateMetrics}. */
  collect(): Promise<CollectedMetrics> {
    return this.#registry.getMetricsAsJSON();
  }

  /** Ends the sampling of the event loop. */
  stop(): void {
    this.#eventLoopDelay.stop();
  }
}

/** Metrics of one process, as JSON. */
export type CollectedMetrics = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

export interface WrittenMetrics {
  readonly contentType: string;
  readonly text: string;
}

/** Returns the metrics of the process that replaces others. @param restarts - number of replaced processes */
export function countRestarts(restarts: number): CollectedMetrics {
  const values = [{ value: restarts, labels: {} }];
  return [{ name: "carillon_process_restarts_total", help: "", type: "counter", aggregator: "sum", values }] as never;
}

/** Writes the metrics of several processes together, in Prometheus' text format. */
export async function aggregateMetrics(processes: readonly CollectedMetrics[]): Promise<WrittenMetrics> {
  const registry = aggregate(processes);
  return { contentType: registry.contentType, text: await registry.metrics() };
}

/** Joins the metrics of several processes, as JSON. */
export function sumMetrics(processes: readonly CollectedMetrics[]): CollectedMetrics {
  // These hold their values, unlike the metrics of other registries.
  return aggregate(processes).getMetricsAsArray() as unknown as CollectedMetrics;
}

function aggregate(processes: readonly CollectedMetrics[]): Registry {
  return AggregatorRegistry.aggregate(processes.map((metrics) => [...metrics]));
}

/** Creates the handler of requests for metrics. */
export function createMetricsHandler(write: (accept: string) => Promise<WrittenMetrics>) {
  return ({ headers: { accept = "" } }: IncomingMessage, response: ServerResponse): void => {
    write(accept).then(
      ({ contentType, text }) => {
        response.writeHead(200, { "content-type": contentType });
        response.end(text);
      },
      (cause: unknown) => {
        response.destroy(cause instanceof Error ? cause : undefined);
      },
    );
  };
}
