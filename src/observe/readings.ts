import type { HistoryReadings } from "./history-metrics.js";

/** Counters of the messages of a vhost or broker. */
export interface TrafficReadings {
  readonly messagesIn: number;
  readonly bytesIn: number;
  readonly received: number;
  readonly messagesOut: number;
  readonly bytesOut: number;
}

/** State of a broker. */
export interface BrokerReadings {
  readonly up: boolean;
  readonly reconnects: number;
  readonly pendingBytes: number;
}

/** Functions that read the node's counters when metrics are requested, so that counting costs an increment at most. */
export interface Readings extends HistoryReadings {
  readonly version: string;
  readonly node: string;
  readonly connections: () => number;
  /** Maximum number of connections. */
  readonly connectionLimit: () => number;
  /** Whether the node is stopping. */
  readonly draining: () => boolean;
  /** Number of handshakes by result: admitted to authentication, or refused because of the rate, a full or a stopping node. */
  readonly handshakes: () => Readonly<Record<"admitted" | "rate" | "full" | "stopping", number>>;
  readonly topics: () => number;
  /** Failed publishes by source and error code. */
  readonly publishesFailed: () => Iterable<{ readonly source: string; readonly code: string; readonly count: number }>;
  readonly messagesIn: () => Readonly<Record<string, number>>;
  readonly bytesIn: () => number;
  readonly messagesOut: () => number;
  readonly bytesOut: () => number;
  readonly drops: () => Readonly<Record<string, number>>;
  /** Number of sessions whose connections are full, and the bytes that wait for them. */
  readonly backlog: () => { readonly sessions: number; readonly bytes: number };
  /** Connections by vhost. The vhosts are those of `vhosts`. */
  readonly vhostConnections: () => ReadonlyMap<string, number>;
  /** Traffic by vhost: a bounded number of them, and `other`. */
  readonly vhosts: () => ReadonlyMap<string, TrafficReadings>;
  readonly brokers: () => ReadonlyMap<string, BrokerReadings>;
  readonly brokerTraffic: () => ReadonlyMap<string, TrafficReadings>;
  /** Whether this node is connected to the other ones; true where it is the only one. */
  readonly clusterUp: () => boolean;
  /** Number of nodes in the cluster, including this one. */
  readonly nodes: () => number;
  /** Largest difference between this node's wall clock and another one's, in seconds. */
  readonly clockDifference: () => number;
  /** Number of bytes that clients' compressed messages were inflated to. */
  readonly inflatedBytes: () => number;
  /** Number of messages of other nodes that were dropped because too many were incomplete. */
  readonly lostMessages: () => number;
  readonly storeUp: () => boolean;
  /** Number of bytes received or inflated and not yet processed. */
  readonly receivingBytes: () => number;
  /** Number of refusals by the exhausted share. */
  readonly receivingRefused: () => Readonly<Record<"node" | "keyless" | "address" | "key", number>>;
  /** Number of workers connected to this node. */
  readonly workers: () => number;
  /** Number of tasks by state: called from this node, waiting for a worker, held by a worker of this node. */
  readonly tasks: () => Readonly<Record<"requested" | "waiting" | "working", number>>;
  readonly hookCalls: () => Iterable<{ readonly hook: string; readonly outcome: string; readonly calls: number }>;
  readonly hookSeconds: () => Readonly<Record<string, number>>;
  /** State by vhost: 1 while calls to its backend are paused after failures. */
  readonly hookBreakers: () => Readonly<Record<string, number>>;
}
