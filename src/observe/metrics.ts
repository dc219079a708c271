import type { IncomingMessage, ServerResponse } from "node:http";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type ErrorCode, WEBSOCKET_CLOSE } from "../errors.js";
import { addHistoryMetrics, type HistoryReadings } from "./history-metrics.js";

/** Functions that read the node's counters when metrics are requested, so that counting costs an increment at most. */
export interface Readings extends HistoryReadings {
  readonly connections: () => number;
  /** Number of handshakes by result: admitted to authentication, or refused because of the rate, a full or a stopping node. */
  readonly handshakes: () => Readonly<Record<"admitted" | "rate" | "full" | "stopping", number>>;
  readonly topics: () => number;
  readonly version: string;
  readonly node: string;
  /** Failed publishes by source and error code. */
  readonly publishesFailed: () => Iterable<{ readonly source: string; readonly code: string; readonly count: number }>;
  readonly messagesIn: () => Readonly<Record<string, number>>;
  readonly bytesIn: () => number;
  readonly messagesOut: () => number;
  readonly bytesOut: () => number;
  readonly drops: () => Readonly<Record<string, number>>;
  /** State by broker: 1 when connected, else 0. */
  readonly brokers: () => Readonly<Record<string, number>>;
  /** Number of nodes in the cluster, including this one. */
  readonly nodes: () => number;
  /** Largest difference between this node's wall clock and another one's, in seconds. */
  readonly clockDifference: () => number;
  /** Number of bytes that clients' compressed messages were inflated to. */
  readonly inflatedBytes: () => number;
  /** Number of messages of other nodes that were dropped because too many were incomplete. */
  readonly lostMessages: () => number;
  readonly storeUp: () => number;
  /** Number of bytes received or inflated and not yet processed. */
  readonly receivingBytes: () => number;
  /** Number of refusals by the exhausted share. */
  readonly receivingRefused: () => Readonly<Record<"node" | "keyless" | "address" | "key", number>>;
  /** Number of workers connected to this node. */
  readonly workers: () => number;
  /** Number of tasks by state: called from this node, waiting for a worker, held by a worker of this node. */
  readonly tasks: () => Readonly<Record<"asked" | "waiting" | "working", number>>;
  readonly hookCalls: () => Iterable<{ readonly hook: string; readonly outcome: string; readonly calls: number }>;
  readonly hookSeconds: () => Readonly<Record<string, number>>;
  /** State by vhost: 1 while calls to its backend are paused after failures. */
  readonly hookBreakers: () => Readonly<Record<string, number>>;
}

/** Close codes that this server uses itself. */
const OWN_CODES = new Set(Object.values(WEBSOCKET_CLOSE).map(([code]) => code));

/** Code of connections that were closed because too many have not sent a request. */
export const PENDING = "PENDING";
/** Known codes: PENDING, and the errors of accept(2) for a process or system without resources. */
const ACCEPT_ERRORS = new Set([PENDING, "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED"]);

/** Upper bounds of the histogram's buckets in seconds: 50 µs to 10 s. */
const LATENCY_BUCKETS = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Sampling interval of the event loop's delay, in milliseconds. The default of 10 wakes an idle process 100 times a second. */
const LOOP_PRECISION = 100;

/** The node's metrics in Prometheus' text format. Names and units follow Prometheus' conventions. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #publishSeconds: Histogram;
  readonly #closes: Counter;
  readonly #refusedUpgrades: Counter;
  readonly #refusedConnections: Counter;

  constructor(readings: Readings) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LOOP_PRECISION });
    this.#publishSeconds = new Histogram({
      name: "carillon_publish_seconds",
      help: "Time from a publish request to its answer.",
      buckets: LATENCY_BUCKETS,
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
    const { node, version } = readings;
    const info = {
      name: "carillon_build_info",
      help: "Always 1; labels hold the version and the node's id.",
      registers,
    };
    new Gauge({ ...info, labelNames: ["version", "node"] }).set({ version, node }, 1);
    this.#publishesFailed(readings.publishesFailed);
    this.#gauge("carillon_connections", "Open WebSocket connections.", readings.connections);
    const handshakesHelp = "Connecting clients, by result: admitted to authentication, or why they were refused.";
    this.#labelled(Counter, "carillon_handshakes_total", handshakesHelp, "result", readings.handshakes);
    this.#gauge("carillon_topics", "Topics that this node is subscribed to.", readings.topics);
    this.#labelled(Gauge, "carillon_broker_up", "1 while the broker is connected.", "broker", readings.brokers);
    this.#gauge("carillon_nodes", "Live nodes of the cluster, including this one.", readings.nodes);
    const inflated = "Inflated bytes of compressed messages of WebSocket clients.";
    this.#counter("carillon_inflated_bytes_total", inflated, readings.inflatedBytes);
    const clocks = "Largest difference between the clocks of this node and another one.";
    this.#gauge("carillon_cluster_clock_difference_seconds", clocks, readings.clockDifference);
    const lostMessages = "Messages of other nodes dropped because too many were incomplete.";
    this.#counter("carillon_cluster_lost_total", lostMessages, readings.lostMessages);
    this.#gauge("carillon_store_up", "1 while the store is connected.", readings.storeUp);
    this.#gauge("carillon_workers", "Workers connected to this node.", readings.workers);
    this.#labelled(Gauge, "carillon_tasks", "Tasks in progress, by state.", "state", readings.tasks);
    const { receivingBytes, receivingRefused } = readings;
    this.#gauge("carillon_receiving_bytes", "Bytes received or inflated and not yet processed.", receivingBytes);
    const refusedHelp = "Requests refused because too many bytes were in transit, by exhausted share.";
    this.#labelled(Counter, "carillon_receiving_refused_total", refusedHelp, "share", receivingRefused);
    const { hookBreakers, hookCalls, hookSeconds } = readings;
    this.#hookCalls(hookCalls);
    this.#labelled(Counter, "carillon_hook_seconds_total", "Time spent waiting for backends.", "hook", hookSeconds);
    this.#labelled(
      Gauge,
      "carillon_hook_breaker_open",
      "1 while calls to a backend are paused after failures.",
      "vhost",
      hookBreakers,
    );
    const { bytesIn, bytesOut, drops, messagesIn, messagesOut } = readings;
    this.#labelled(Counter, "carillon_messages_in_total", "Messages accepted for publishing.", "source", messagesIn);
    this.#counter("carillon_bytes_in_total", "Payload bytes accepted for publishing.", bytesIn);
    this.#counter("carillon_messages_out_total", "Messages delivered to sessions, counted per session.", messagesOut);
    this.#counter("carillon_bytes_out_total", "Bytes of message frames handed to sessions.", bytesOut);
    this.#labelled(Counter, "carillon_drops_total", "Dropped messages, by reason.", "reason", drops);
    addHistoryMetrics(this.#registry, readings);
  }

  observePublish(seconds: number): void {
    this.#publishSeconds.observe(seconds);
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

  readonly handler = (_request: IncomingMessage, response: ServerResponse): void => {
    this.#registry.metrics().then(
      (text) => {
        response.writeHead(200, { "content-type": this.#registry.contentType });
        response.end(text);
      },
      (cause: unknown) => {
        response.destroy(cause instanceof Error ? cause : undefined);
      },
    );
  };

  #hookCalls(read: Readings["hookCalls"]): void {
    new Counter({
      name: "carillon_hook_calls_total",
      help: "Calls to backends, by hook and outcome.",
      labelNames: ["hook", "outcome"],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { calls, hook, outcome } of read()) this.inc({ hook, outcome }, calls);
      },
    });
  }

  #publishesFailed(read: Readings["publishesFailed"]): void {
    new Counter({
      name: "carillon_publishes_failed_total",
      help: "Publishes that were refused or not confirmed by a broker, by source and error code.",
      labelNames: ["source", "code"],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { code, count, source } of read()) this.inc({ source, code }, count);
      },
    });
  }

  #gauge(name: string, help: string, read: () => number): void {
    const registers = [this.#registry];
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  #counter(name: string, help: string, read: () => number): void {
    const registers = [this.#registry];
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  #labelled(
    Kind: typeof Gauge | typeof Counter,
    name: string,
    help: string,
    label: string,
    read: () => Readonly<Record<string, number>>,
  ): void {
    const registers = [this.#registry];
    new Kind({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [value, number] of Object.entries(read())) this.inc({ [label]: value }, number);
      },
    });
  }
}
