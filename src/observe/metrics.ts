import type { IncomingMessage, ServerResponse } from "node:http";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type ErrorCode, WEBSOCKET_CLOSE } from "../errors.js";

/** What the rest of the node counts as plain numbers; read when somebody asks for metrics, so that counting costs nothing. */
export interface Readings {
  readonly connections: () => number;
  readonly topics: () => number;
  readonly version: string;
  readonly node: string;
  /** By who has asked and the error's code. */
  readonly publishesFailed: () => Iterable<{ readonly source: string; readonly code: string; readonly count: number }>;
  readonly messagesIn: () => Readonly<Record<string, number>>;
  readonly bytesIn: () => number;
  readonly messagesOut: () => number;
  readonly bytesOut: () => number;
  readonly drops: () => Readonly<Record<string, number>>;
  /** 1 for each broker that is connected, 0 for one that is away. */
  readonly brokers: () => Readonly<Record<string, number>>;
  /** Of the cluster, this one included. */
  readonly nodes: () => number;
  /** Largest difference between this node's wall clock and another one's, in seconds. */
  readonly clockDifference: () => number;
  /** Bytes that clients' compressed messages have become. */
  readonly inflatedBytes: () => number;
  /** Words of other nodes that were lost because too many were unfinished. */
  readonly lostWords: () => number;
  readonly storeUp: () => number;
  /** Received or inflated, and under way. */
  readonly receivingBytes: () => number;
  /** By whose share was used up. */
  readonly receivingRefused: () => Readonly<Record<"node" | "keyless" | "address" | "key", number>>;
  /** Of this node. */
  readonly workers: () => number;
  /** By where they are: asked for here, waiting here for a worker, with a worker of this node. */
  readonly tasks: () => Readonly<Record<"asked" | "waiting" | "working", number>>;
  readonly hookCalls: () => Iterable<{ readonly hook: string; readonly outcome: string; readonly calls: number }>;
  readonly hookSeconds: () => Readonly<Record<string, number>>;
  /** By vhost: 1 while its backend is left alone because it failed. */
  readonly hookBreakers: () => Readonly<Record<string, number>>;
}

/** Close codes from 3000 up that this server chooses itself. */
const OWN_CODES = new Set(Object.values(WEBSOCKET_CLOSE).map(([code]) => code));

/** Errors of accept(2) that say that the process or the system has no room. */
/** Code of connections that were cut because too many have not sent a request yet. */
export const PENDING = "PENDING";
const ACCEPT_ERRORS = new Set([PENDING, "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED"]);

/** From 50 µs to 10 s. */
const LATENCY_BUCKETS = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Milliseconds between two looks at the event loop's delay: the usual 10 wake an idle process 100 times a second. */
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
      help: "Time from a publish request until it is answered.",
      buckets: LATENCY_BUCKETS,
      registers,
    });
    this.#closes = new Counter({
      name: "carillon_connections_closed_total",
      help: "WebSocket connections that have ended, by close code.",
      labelNames: ["code"],
      registers,
    });
    this.#refusedUpgrades = new Counter({
      name: "carillon_upgrades_refused_total",
      help: "WebSocket upgrades that were refused, by the error's code.",
      labelNames: ["reason"],
      registers,
    });
    this.#refusedConnections = new Counter({
      name: "carillon_accept_errors_total",
      help: "Connections that were cut when they were accepted, by code: the system's, or PENDING.",
      labelNames: ["code"],
      registers,
    });
    const { node, version } = readings;
    const info = { name: "carillon_build_info", help: "Always 1; tells the version and the node's id.", registers };
    new Gauge({ ...info, labelNames: ["version", "node"] }).set({ version, node }, 1);
    this.#publishesFailed(readings.publishesFailed);
    this.#gauge("carillon_connections", "WebSocket connections that are open.", readings.connections);
    this.#gauge("carillon_topics", "Topics that this node hears.", readings.topics);
    this.#labelled(Gauge, "carillon_broker_up", "1 while the broker is connected.", "broker", readings.brokers);
    this.#gauge("carillon_nodes", "Nodes of the cluster that are there, this one included.", readings.nodes);
    const inflated = "Bytes that compressed messages of WebSocket clients have become.";
    this.#counter("carillon_inflated_bytes_total", inflated, readings.inflatedBytes);
    const clocks = "Largest difference between the clocks of this node and another one.";
    this.#gauge("carillon_cluster_clock_difference_seconds", clocks, readings.clockDifference);
    const lostWords = "Messages of other nodes that were lost because too many were unfinished.";
    this.#counter("carillon_cluster_lost_total", lostWords, readings.lostWords);
    this.#gauge("carillon_store_up", "1 while the store can be used.", readings.storeUp);
    this.#gauge("carillon_workers", "Workers that are connected to this node.", readings.workers);
    this.#labelled(Gauge, "carillon_tasks", "Tasks under way, by where they are.", "state", readings.tasks);
    const { receivingBytes, receivingRefused } = readings;
    this.#gauge("carillon_receiving_bytes", "Bytes received or inflated and under way.", receivingBytes);
    const refusedHelp = "Requests refused for the bytes under way, by whose share was used up.";
    this.#labelled(Counter, "carillon_receiving_refused_total", refusedHelp, "share", receivingRefused);
    const { hookBreakers, hookCalls, hookSeconds } = readings;
    this.#hookCalls(hookCalls);
    this.#labelled(Counter, "carillon_hook_seconds_total", "Time waited for backends.", "hook", hookSeconds);
    this.#labelled(Gauge, "carillon_hook_breaker_open", "1 while a backend is left alone.", "vhost", hookBreakers);
    const { bytesIn, bytesOut, drops, messagesIn, messagesOut } = readings;
    this.#labelled(Counter, "carillon_messages_in_total", "Messages accepted for publishing.", "source", messagesIn);
    this.#counter("carillon_bytes_in_total", "Payload bytes accepted for publishing.", bytesIn);
    this.#counter("carillon_messages_out_total", "Messages given to sessions, once for each.", messagesOut);
    this.#counter("carillon_bytes_out_total", "Bytes of message frames handed to sessions.", bytesOut);
    this.#labelled(Counter, "carillon_drops_total", "Messages that were lost, by reason.", "reason", drops);
  }

  observePublish(seconds: number): void {
    this.#publishSeconds.observe(seconds);
  }

  /** @param code - of the close frame, 1006 for none; clients may choose theirs from 3000 to 4999, which are one series */
  countClose(code: number): void {
    this.#closes.inc({ code: code < 3_000 || OWN_CODES.has(code) ? code : "other" });
  }

  /** @param reason - one of a fixed set */
  countRefusedUpgrade(reason: ErrorCode): void {
    this.#refusedUpgrades.inc({ reason });
  }

  /** @param code - of the system, such as EMFILE, or PENDING */
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
      help: "Questions to backends, by hook and by what became of them.",
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
      help: "Publishes that were refused or that a broker did not confirm, by who has asked and by the error's code.",
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
