import type { BrokerRegistry } from "../../brokers/registry.js";
import type { Bus } from "../../cluster/bus.js";
import type { Config } from "../../config/schema.js";
import type { NodeReading } from "../../control/node-readings.js";
import type { ProcessLoad } from "../../observe/process-load.js";
import type { Store } from "../../store/store.js";
import { packageVersion } from "../../util/package-root.js";
import { systemClock } from "../../util/system-clock.js";
import type { ClusterDispatch } from "../../workers/cluster-dispatch.js";
import type { Messaging } from "./create-messaging.js";

export interface NodeReaderContext {
  readonly messaging: Messaging;
  readonly brokers: BrokerRegistry;
  readonly bus: Bus;
  readonly store: Store;
  readonly dispatch: ClusterDispatch;
  readonly processLoad: ProcessLoad;
  readonly connections: () => number;
  /** Lists what the node waits for before it is ready. */
  readonly readiness: () => readonly string[];
}

/** Creates the function that reads this node's load and state. */
export function createNodeReader({ brokers: configured }: Config, context: NodeReaderContext): () => NodeReading {
  const { brokers, bus, connections, dispatch, messaging, processLoad, readiness, store } = context;
  const { fanOut, hub, index, lost, outbox, publisher } = messaging;
  const begin = systemClock.monotonic();
  return () => {
    const { cpuSeconds, ...load } = processLoad.read();
    return {
      version: packageVersion,
      uptime: systemClock.monotonic() - begin,
      notReady: readiness(),
      connections: connections(),
      topics: index.size,
      subscriptions: hub.memberships,
      slowSessions: outbox.waiting.sessions,
      workers: dispatch.workers,
      counters: {
        messagesIn: publisher.accepted.backend + publisher.accepted.client,
        bytesIn: publisher.accepted.bytes,
        messagesOut: fanOut.delivered.messages,
        bytesOut: fanOut.delivered.bytes,
        drops: lost(),
        cpuSeconds,
      },
      ...load,
      brokers: [...brokers.all].map(({ driver, name }) => {
        return { name, driver: configured[name]?.driver ?? "", connected: driver.up };
      }),
      clusterConnected: bus.up,
      storeConnected: store.up,
    };
  };
}
