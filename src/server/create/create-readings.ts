import type { BrokerRegistry } from "../../brokers/registry.js";
import type { Clients } from "../../clients/clients.js";
import type { HistoryPreparation } from "../../history/history-preparation.js";
import type { RecoveryCounts } from "../../history/recovery-counts.js";
import type { ByteBudget } from "../../net/byte-budget.js";
import type { Readings } from "../../observe/readings.js";
import type { Store } from "../../store/store.js";
import { packageVersion } from "../../util/package-root.js";
import type { ClusterDispatch } from "../../workers/cluster-dispatch.js";
import type { ClusterRuntime } from "./create-cluster.js";
import type { Messaging } from "./create-messaging.js";
import { countOpenBreakers, type VhostRuntime } from "./create-vhosts.js";

export interface ReadingsContext extends Pick<Readings, "connectionLimit" | "connections" | "draining" | "handshakes"> {
  readonly node: string;
  readonly messaging: Messaging;
  readonly vhostRuntime: VhostRuntime;
  readonly brokers: BrokerRegistry;
  readonly clients: Clients;
  readonly clusterRuntime: ClusterRuntime;
  readonly store: Store;
  readonly dispatch: ClusterDispatch;
  readonly recoveries: RecoveryCounts;
  readonly historyPreparation: HistoryPreparation;
  readonly budget: ByteBudget;
  readonly inflatedBytes: () => number;
}

/** Creates the functions that read the counters of the node's parts. */
export function createReadings(context: ReadingsContext): Readings {
  const { brokers, budget, clients, clusterRuntime, dispatch, inflatedBytes, messaging } = context;
  const { connectionLimit, connections, draining, handshakes, historyPreparation, node, recoveries, store } = context;
  const { fanOut, index, lost, outbox, publisher, traffic } = messaging;
  const { hookCounts, vhosts } = context.vhostRuntime;
  const { bus, cluster } = clusterRuntime;
  const vhostTraffic: Readings["vhosts"] = () => {
    traffic.prune((vhost) => vhosts.get(vhost) !== undefined);
    return traffic.byVhost();
  };
  return {
    node,
    version: packageVersion,
    connections,
    connectionLimit,
    draining,
    handshakes,
    publishesFailed: () => publisher.failed.all(),
    topics: () => index.size,
    messagesIn: () => ({ backend: publisher.accepted.backend, client: publisher.accepted.client }),
    bytesIn: () => publisher.accepted.bytes,
    messagesOut: () => fanOut.delivered.messages,
    bytesOut: () => fanOut.delivered.bytes,
    drops: lost,
    backlog: () => outbox.waiting,
    vhosts: vhostTraffic,
    vhostConnections: () => countConnections(vhostTraffic().keys(), clients, (vhost) => traffic.label(vhost)),
    brokers: () => readBrokers(brokers),
    brokerTraffic: () => traffic.byBroker(),
    history: () => Object.fromEntries([...brokers.all].map(({ driver, name }) => [name, driver.history.counts])),
    recoveries: () => recoveries.all,
    historyFaults: () => historyPreparation.faults,
    clusterUp: () => bus.up,
    nodes: () => cluster.nodes.size,
    receivingBytes: () => budget.used,
    receivingRefused: () => budget.refusals,
    clockDifference: () => cluster.clockDifference / 1_000,
    inflatedBytes,
    lostMessages: () => cluster.lostMessages,
    storeUp: () => store.up,
    workers: () => dispatch.workers,
    tasks: () => ({ requested: dispatch.requested, waiting: dispatch.waiting, working: dispatch.working }),
    hookCalls: () => hookCounts.all(),
    hookSeconds: () => hookCounts.seconds(),
    hookBreakers: () => countOpenBreakers(vhosts.all),
  };
}

function readBrokers(brokers: BrokerRegistry): ReturnType<Readings["brokers"]> {
  return new Map([...brokers.all].map(({ driver, name }) => [name, { up: driver.up, ...driver.link }]));
}

/** Counts the connections by the labels of their vhosts; 0 for a vhost without. */
function countConnections(
  labels: Iterable<string>,
  { byVhost }: Clients,
  labelOf: (vhost: string) => string,
): ReadonlyMap<string, number> {
  const counts = new Map([...labels].map((label) => [label, 0]));
  for (const [vhost, count] of byVhost) counts.set(labelOf(vhost), (counts.get(labelOf(vhost)) ?? 0) + count);
  return counts;
}
