import { byLabel, labelled, type MetricRow } from "./metric-rows.js";
import type { BrokerReadings, Readings, TrafficReadings } from "./readings.js";

type Row = MetricRow<Readings>;

const CLIENTS: readonly Row[] = [
  { kind: "gauge", name: "connections", help: "Connected clients.", read: (node) => node.connections() },
  {
    kind: "gauge",
    name: "connections_limit",
    help: "Maximum number of connected clients (limits.connections).",
    read: (node) => node.connectionLimit(),
  },
  {
    kind: "counter",
    name: "handshakes_total",
    help: "Connecting clients, by result: admitted to authentication, or why they were refused.",
    labels: ["result"],
    read: (node) => byLabel("result", node.handshakes()),
  },
  {
    kind: "gauge",
    name: "draining",
    aggregator: "max",
    help: "1 while the node is stopping.",
    read: (node) => Number(node.draining()),
  },
  {
    kind: "gauge",
    name: "topics",
    help: "Topics that this node is subscribed to.",
    read: (node) => node.topics(),
  },
  {
    kind: "counter",
    name: "inflated_bytes_total",
    help: "Inflated bytes of compressed messages of WebSocket clients.",
    read: (node) => node.inflatedBytes(),
  },
  {
    kind: "gauge",
    name: "receiving_bytes",
    help: "Bytes received or inflated and not yet processed.",
    read: (node) => node.receivingBytes(),
  },
  {
    kind: "counter",
    name: "receiving_refused_total",
    help: "Requests refused because too many bytes were in transit, by exhausted share.",
    labels: ["share"],
    read: (node) => byLabel("share", node.receivingRefused()),
  },
];

const MESSAGES: readonly Row[] = [
  {
    kind: "counter",
    name: "messages_in_total",
    help: "Messages accepted for publishing, by source.",
    labels: ["source"],
    read: (node) => byLabel("source", node.messagesIn()),
  },
  {
    kind: "counter",
    name: "bytes_in_total",
    help: "Payload bytes accepted for publishing.",
    read: (node) => node.bytesIn(),
  },
  {
    kind: "counter",
    name: "publishes_failed_total",
    help: "Publishes that were refused or not confirmed by a broker, by source and error code.",
    labels: ["source", "code"],
    *read(node) {
      for (const { code, count, source } of node.publishesFailed()) yield [{ source, code }, count];
    },
  },
  {
    kind: "counter",
    name: "messages_out_total",
    help: "Messages delivered to sessions, counted per session.",
    read: (node) => node.messagesOut(),
  },
  {
    kind: "counter",
    name: "bytes_out_total",
    help: "Bytes of message frames handed to sessions.",
    read: (node) => node.bytesOut(),
  },
  {
    kind: "counter",
    name: "drops_total",
    help: "Dropped messages, by reason.",
    labels: ["reason"],
    read: (node) => byLabel("reason", node.drops()),
  },
  {
    kind: "gauge",
    name: "backlog_connections",
    help: "Clients for which messages wait because their connections are full.",
    read: (node) => node.backlog().sessions,
  },
  {
    kind: "gauge",
    name: "backlog_bytes",
    help: "Bytes that wait for clients whose connections are full.",
    read: (node) => node.backlog().bytes,
  },
];

const VHOSTS: readonly Row[] = [
  {
    kind: "gauge",
    name: "vhost_connections",
    help: "Connected clients, by vhost.",
    labels: ["vhost"],
    read: (node) => byLabel("vhost", node.vhostConnections()),
  },
  vhostCounter("messages_in", "Messages accepted for publishing, by vhost.", ({ messagesIn }) => messagesIn),
  vhostCounter("bytes_in", "Payload bytes accepted for publishing, by vhost.", ({ bytesIn }) => bytesIn),
  vhostCounter("messages_out", "Messages delivered to sessions, by vhost.", ({ messagesOut }) => messagesOut),
  vhostCounter("bytes_out", "Bytes of message frames handed to sessions, by vhost.", ({ bytesOut }) => bytesOut),
];

const BROKERS: readonly Row[] = [
  {
    kind: "gauge",
    name: "broker_up",
    aggregator: "min",
    help: "1 while the broker is connected.",
    labels: ["broker"],
    read: (node) => labelled("broker", node.brokers(), ({ up }: BrokerReadings) => Number(up)),
  },
  {
    kind: "counter",
    name: "broker_reconnects_total",
    help: "Restored connections to the broker.",
    labels: ["broker"],
    read: (node) => labelled("broker", node.brokers(), ({ reconnects }: BrokerReadings) => reconnects),
  },
  {
    kind: "gauge",
    name: "broker_pending_bytes",
    help: "Bytes sent to the broker and not yet confirmed.",
    labels: ["broker"],
    read: (node) => labelled("broker", node.brokers(), ({ pendingBytes }: BrokerReadings) => pendingBytes),
  },
  brokerCounter("messages_in", "Messages accepted for publishing, by broker.", ({ messagesIn }) => messagesIn),
  brokerCounter("received", "Messages from the broker for topics of this node.", ({ received }) => received),
  brokerCounter("messages_out", "Messages delivered to sessions, by broker.", ({ messagesOut }) => messagesOut),
];

const CLUSTER: readonly Row[] = [
  {
    kind: "gauge",
    name: "cluster_up",
    aggregator: "min",
    help: "1 while the node is connected to the other nodes, or is the only one.",
    read: (node) => Number(node.clusterUp()),
  },
  {
    kind: "gauge",
    name: "nodes",
    aggregator: "max",
    help: "Live nodes of the cluster, including this one.",
    read: (node) => node.nodes(),
  },
  {
    kind: "gauge",
    name: "cluster_clock_difference_seconds",
    aggregator: "max",
    help: "Largest difference between the clocks of this node and another one.",
    read: (node) => node.clockDifference(),
  },
  {
    kind: "counter",
    name: "cluster_lost_total",
    help: "Messages of other nodes dropped because too many were incomplete.",
    read: (node) => node.lostMessages(),
  },
  {
    kind: "gauge",
    name: "store_up",
    aggregator: "min",
    help: "1 while the store is connected.",
    read: (node) => Number(node.storeUp()),
  },
];

const BACKENDS: readonly Row[] = [
  { kind: "gauge", name: "workers", help: "Workers connected to this node.", read: (node) => node.workers() },
  {
    kind: "gauge",
    name: "tasks",
    help: "Tasks in progress, by state.",
    labels: ["state"],
    read: (node) => byLabel("state", node.tasks()),
  },
  {
    kind: "counter",
    name: "hook_calls_total",
    help: "Calls to backends, by hook and outcome.",
    labels: ["hook", "outcome"],
    *read(node) {
      for (const { calls, hook, outcome } of node.hookCalls()) yield [{ hook, outcome }, calls];
    },
  },
  {
    kind: "counter",
    name: "hook_seconds_total",
    help: "Time spent waiting for backends.",
    labels: ["hook"],
    read: (node) => byLabel("hook", node.hookSeconds()),
  },
  {
    kind: "gauge",
    name: "hook_breaker_open",
    aggregator: "max",
    help: "1 while calls to a backend are paused after failures.",
    labels: ["vhost"],
    read: (node) => byLabel("vhost", node.hookBreakers()),
  },
];

/** Metrics of a node, apart from those of stored messages. */
export const NODE_METRICS: readonly Row[] = [
  {
    kind: "gauge",
    name: "build_info",
    help: "Always 1; labels hold the version and the node's id.",
    labels: ["version", "node"],
    read: ({ node, version }) => [[{ version, node }, 1]],
  },
  {
    kind: "counter",
    name: "process_restarts_total",
    help: "Processes that ended unexpectedly and were replaced.",
    // Counted by the process that replaces them.
    read: () => 0,
  },
  ...CLIENTS,
  ...MESSAGES,
  ...VHOSTS,
  ...BROKERS,
  ...CLUSTER,
  ...BACKENDS,
];

function vhostCounter(name: string, help: string, read: (traffic: TrafficReadings) => number): Row {
  const label = "vhost";
  return {
    kind: "counter",
    name: `vhost_${name}_total`,
    help,
    labels: [label],
    read: (node) => labelled(label, node.vhosts(), read),
  };
}

function brokerCounter(name: string, help: string, read: (traffic: TrafficReadings) => number): Row {
  const label = "broker";
  return {
    kind: "counter",
    name: `broker_${name}_total`,
    help,
    labels: [label],
    read: (node) => labelled(label, node.brokerTraffic(), read),
  };
}
