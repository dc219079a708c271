import type { BrokerRegistry } from "../../brokers/registry.js";
import type { ClusterNode } from "../../cluster/cluster-node.js";
import type { HistoryPreparation } from "../../history/history-preparation.js";
import type { RecoveryCounts } from "../../history/recovery-counts.js";
import type { ByteBudget } from "../../net/byte-budget.js";
import { Metrics, type Readings } from "../../observe/metrics.js";
import type { Store } from "../../store/store.js";
import { packageVersion } from "../../util/package-root.js";
import type { ClusterDispatch } from "../../workers/cluster-dispatch.js";
import type { Messaging } from "./create-messaging.js";
import { countOpenBreakers, type VhostRuntime } from "./create-vhosts.js";

export interface MetricsContext {
  readonly node: string;
  readonly messaging: Messaging;
  readonly vhostRuntime: VhostRuntime;
  readonly brokers: BrokerRegistry;
  readonly cluster: ClusterNode;
  readonly store: Store;
  readonly dispatch: ClusterDispatch;
  readonly recoveries: RecoveryCounts;
  readonly historyPreparation: HistoryPreparation;
  readonly budget: ByteBudget;
  readonly connections: () => number;
  readonly inflatedBytes: () => number;
  readonly handshakes: Readings["handshakes"];
}

/** Creates the metrics, which read the counters of the node's parts. */
export function createMetrics(context: MetricsContext): Metrics {
  const { brokers, budget, cluster, connections, dispatch, handshakes, inflatedBytes, messaging } = context;
  const { historyPreparation, node, recoveries, store, vhostRuntime } = context;
  const { fanOut, index, lost, publisher } = messaging;
  const { hookCounts, vhosts } = vhostRuntime;
  return new Metrics({
    node,
    version: packageVersion,
    connections,
    handshakes,
    publishesFailed: () => publisher.failed.all(),
    topics: () => index.size,
    messagesIn: () => ({ backend: publisher.accepted.backend, client: publisher.accepted.client }),
    bytesIn: () => publisher.accepted.bytes,
    messagesOut: () => fanOut.delivered.messages,
    bytesOut: () => fanOut.delivered.bytes,
    drops: lost,
    brokers: () => Object.fromEntries([...brokers.all].map(({ driver, name }) => [name, driver.up ? 1 : 0])),
    history: () => Object.fromEntries([...brokers.all].map(({ driver, name }) => [name, driver.history.counts])),
    recoveries: () => recoveries.all,
    historyFaults: () => historyPreparation.faults,
    nodes: () => cluster.nodes.size,
    receivingBytes: () => budget.used,
    receivingRefused: () => budget.refusals,
    clockDifference: () => cluster.clockDifference / 1_000,
    inflatedBytes,
    lostMessages: () => cluster.lostMessages,
    storeUp: () => (store.up ? 1 : 0),
    workers: () => dispatch.workers,
    tasks: () => ({ asked: dispatch.asked, waiting: dispatch.waiting, working: dispatch.working }),
    hookCalls: () => hookCounts.all(),
    hookSeconds: () => hookCounts.seconds(),
    hookBreakers: () => countOpenBreakers(vhosts.all),
  });
}
