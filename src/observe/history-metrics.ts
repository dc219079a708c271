import { byLabel, labelled, type MetricRow, type Sample } from "./metric-rows.js";

/** Counters of one broker's history. */
export interface BrokerHistoryReadings {
  readonly stored: number;
  readonly duplicates: number;
  readonly failed: number;
  readonly storedMilliseconds: number;
  readonly gaps: number;
  readonly gapMessages: number;
  readonly repeated: number;
  readonly resets: number;
  readonly replays: Readonly<Record<string, number>>;
  readonly reads: Readonly<Record<string, number>>;
  readonly readMilliseconds: number;
  readonly held: { readonly messages: number; readonly bytes: number };
}

/** Functions that read the counters of stored messages when metrics are requested. */
export interface HistoryReadings {
  /** Counters by broker. */
  readonly history: () => Readonly<Record<string, BrokerHistoryReadings>>;
  /** Number of faults in the preparation of history classes, by broker. */
  readonly historyFaults: () => Readonly<Record<string, number>>;
  /** Number of recoveries by result. */
  readonly recoveries: () => Iterable<readonly [result: string, count: number]>;
}

type Row = MetricRow<HistoryReadings>;
type SimpleMetric = readonly [name: string, help: string, read: (counts: BrokerHistoryReadings) => number];

const COUNTERS: readonly SimpleMetric[] = [
  ["stored_total", "Messages stored by publishes of this node, counted per topic.", ({ stored }) => stored],
  ["duplicates_total", "Publishes that repeated the id of a stored message.", ({ duplicates }) => duplicates],
  ["failed_total", "Publishes that the store refused or did not acknowledge in time.", ({ failed }) => failed],
  [
    "store_seconds_total",
    "Time from publishes to the store's acknowledgements, of stored messages.",
    ({ storedMilliseconds }) => storedMilliseconds / 1_000,
  ],
  ["gaps_total", "Gaps found in the live messages of topics.", ({ gaps }) => gaps],
  ["gap_messages_total", "Messages read from the store to fill gaps.", ({ gapMessages }) => gapMessages],
  ["repeated_total", "Live messages that arrived again and were dropped.", ({ repeated }) => repeated],
  ["resets_total", "Histories of topics that began anew because the store had lost messages.", ({ resets }) => resets],
  ["read_seconds_total", "Time of requests to the store.", ({ readMilliseconds }) => readMilliseconds / 1_000],
];

const GAUGES: readonly SimpleMetric[] = [
  ["memory_messages", "Stored messages in this node's memory.", ({ held }) => held.messages],
  ["memory_bytes", "Bytes of stored messages in this node's memory, with metadata.", ({ held }) => held.bytes],
];

/** Metrics of stored messages. */
export const HISTORY_METRICS: readonly Row[] = [
  ...COUNTERS.map((metric) => toRow("counter", metric)),
  ...GAUGES.map((metric) => toRow("gauge", metric)),
  {
    kind: "counter",
    name: "history_replays_total",
    help: "Replays of stored messages to clients, by source: ring (recent messages in memory) or store.",
    labels: ["broker", "source"],
    read: (node) => byBrokerAnd("source", node, ({ replays }) => replays),
  },
  {
    kind: "counter",
    name: "history_reads_total",
    help: "Requests to the store, by kind.",
    labels: ["broker", "kind"],
    read: (node) => byBrokerAnd("kind", node, ({ reads }) => reads),
  },
  {
    kind: "gauge",
    name: "history_faults",
    help: "Faults of history classes that the store cannot keep as configured, as in the log.",
    labels: ["broker"],
    read: (node) => byLabel("broker", node.historyFaults()),
  },
  {
    kind: "counter",
    name: "history_recoveries_total",
    help: "Recoveries that clients requested, by result: recovered, or the reason of the failure.",
    labels: ["result"],
    read: (node) => byLabel("result", new Map(node.recoveries())),
  },
];

function toRow(kind: Row["kind"], [name, help, read]: SimpleMetric): Row {
  return {
    kind,
    name: `history_${name}`,
    help,
    labels: ["broker"],
    read: (node) => labelled("broker", node.history(), read),
  };
}

function* byBrokerAnd(
  label: string,
  { history }: HistoryReadings,
  read: (counts: BrokerHistoryReadings) => Readonly<Record<string, number>>,
): Generator<Sample, void> {
  for (const [broker, counts] of Object.entries(history())) {
    for (const [value, number] of Object.entries(read(counts))) yield [{ broker, [label]: value }, number];
  }
}
