import type { Bus } from "../../cluster/bus.js";
import { ClusterNode } from "../../cluster/cluster-node.js";
import { LocalBus } from "../../cluster/local-bus.js";
import type { Config } from "../../config/schema.js";
import { NatsBus } from "../../nats/bus/nats-bus.js";
import type { LimitedLog } from "../../observe/limited-log.js";
import type { Logger } from "../../observe/log.js";
import { systemClock } from "../../util/system-clock.js";
import { natsBroker, natsOptions } from "../nats-options.js";

/** This node in its cluster, and the bus between the nodes, which starts before it and stops after it. */
export interface ClusterRuntime {
  readonly cluster: ClusterNode;
  readonly bus: Bus;
}

interface ClusterLogs {
  readonly log: Logger;
  readonly limitedLog: LimitedLog;
}

/** Creates the cluster: over NATS where a broker uses it; otherwise this node is the only one. */
export function createCluster(config: Config, node: string, { limitedLog, log }: ClusterLogs): ClusterRuntime {
  const onError = (message: string): void => {
    limitedLog.error({}, message, "cluster");
  };
  const bus = createBus(config, log, onError);
  return { bus, cluster: new ClusterNode({ node, bus, clock: systemClock, onError }) };
}

function createBus({ brokers, cluster }: Config, log: Logger, onError: (message: string) => void): Bus {
  const broker = natsBroker(brokers, cluster.broker);
  if (broker === undefined) return new LocalBus(onError);
  return new NatsBus({
    nats: natsOptions(broker),
    clock: systemClock,
    events: {
      onUp: (server) => {
        log.info({ server }, "cluster connected");
      },
      onDown: (reason) => {
        log.warn({ reason }, "cluster disconnected, retrying");
      },
      onError,
    },
  });
}
