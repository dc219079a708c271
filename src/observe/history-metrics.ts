import { Counter, Gauge, type Registry } from "prom-client";

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

/** A metric of each broker. The last element reads one number, or numbers by the value of the label `source` or `kind`. */
type SimpleMetric = readonly [name: string, help: string, read: (counts: BrokerHistoryReadings) => number];
type LabelledMetric = readonly [
  name: string,
  label: string,
  help: string,
  read: (counts: BrokerHistoryReadings) => Readonly<Record<string, number>>,
];

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

const LABELLED_COUNTERS: readonly LabelledMetric[] = [
  [
    "replays_total",
    "source",
    "Replays of stored messages to clients, by source: ring (recent messages in memory) or store.",
    ({ replays }) => replays,
  ],
  ["reads_total", "kind", "Requests to the store, by kind.", ({ reads }) => reads],
];

const GAUGES: readonly SimpleMetric[] = [
  ["memory_messages", "Stored messages in this node's memory.", ({ held }) => held.messages],
  ["memory_bytes", "Bytes of stored messages in this node's memory, with metadata.", ({ held }) => held.bytes],
];

/** Adds the metrics of stored messages, whose names begin with `carillon_history_`. */
export function addHistoryMetrics(registry: Registry, { history, historyFaults, recoveries }: HistoryReadings): void {
  const registers = [registry];
  for (const [Kind, metrics] of [
    [Counter, COUNTERS],
    [Gauge, GAUGES],
  ] as const) {
    for (const [name, help, read] of metrics) {
      new Kind({
        name: `carillon_history_${name}`,
        help,
        labelNames: ["broker"],
        registers,
        collect() {
          this.reset();
          for (const [broker, counts] of Object.entries(history())) this.inc({ broker }, read(counts));
        },
      });
    }
  }
  for (const [name, label, help, read] of LABELLED_COUNTERS) {
    new Counter({
      name: `carillon_history_${name}`,
      help,
      labelNames: ["broker", label],
      registers,
      collect() {
        this.reset();
        for (const [broker, counts] of Object.entries(history())) {
          for (const [value, number] of Object.entries(read(counts))) this.inc({ broker, [label]: value }, number);
        }
      },
    });
  }
  new Gauge({
    name: "carillon_history_faults",
    help: "Faults of history classes that the store cannot keep as configured, as in the log.",
    labelNames: ["broker"],
    registers,
    collect() {
      this.reset();
      for (const [broker, count] of Object.entries(historyFaults())) this.inc({ broker }, count);
    },
  });
  new Counter({
    name: "carillon_history_recoveries_total",
    help: "Recoveries that clients requested, by result: recovered, or the reason of the failure.",
    labelNames: ["result"],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of recoveries()) this.inc({ result }, count);
    },
  });
}
