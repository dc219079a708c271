/** Counters of a node since its start, as `NodeCounters` of carillon.v1. */
export type NodeCounts = {
  readonly messagesIn: number;
  readonly bytesIn: number;
  readonly messagesOut: number;
  readonly bytesOut: number;
  /** By reason. */
  readonly drops: Readonly<Record<string, number>>;
  readonly cpuSeconds: number;
};

/** Rates of a node per second. */
export type NodeRates = Readonly<
  Record<"messagesIn" | "bytesIn" | "messagesOut" | "bytesOut" | "drops" | "cpu", number>
>;

/** Load and state of a node. Times of the event loop in seconds, sizes in bytes. */
export type NodeReading = {
  readonly version: string;
  /** Milliseconds since the node was created, by its monotonic clock. */
  readonly uptime: number;
  readonly notReady: readonly string[];
  readonly connections: number;
  readonly topics: number;
  readonly subscriptions: number;
  readonly slowSessions: number;
  readonly workers: number;
  readonly counters: NodeCounts;
  readonly eventLoopDelayP99: number;
  readonly eventLoopDelayMax: number;
  readonly memoryBytes: number;
  readonly heapBytes: number;
  readonly brokers: readonly { readonly name: string; readonly driver: string; readonly connected: boolean }[];
  readonly clusterConnected: boolean;
  readonly storeConnected: boolean;
};

/** Reading of one node. `rates` is undefined in the node's first reading of a watch. */
export type NodeMetrics = NodeReading & { readonly id: string; readonly rates: NodeRates | undefined };

/** Returns the rates between two readings of a node; undefined if no time has passed. */
export function toRates(before: NodeReading, now: NodeReading): NodeRates | undefined {
  const seconds = (now.uptime - before.uptime) / 1_000;
  if (seconds <= 0) return undefined;
  const rate = (read: (counts: NodeCounts) => number): number => (read(now.counters) - read(before.counters)) / seconds;
  return {
    messagesIn: rate(({ messagesIn }) => messagesIn),
    bytesIn: rate(({ bytesIn }) => bytesIn),
    messagesOut: rate(({ messagesOut }) => messagesOut),
    bytesOut: rate(({ bytesOut }) => bytesOut),
    drops: rate(({ drops }) => Object.values(drops).reduce((total, count) => total + count, 0)),
    cpu: rate(({ cpuSeconds }) => cpuSeconds),
  };
}
