import type { CommandContext } from "../../commands/command-context.js";
import { joinOnBehalf, leaveOnBehalf } from "../../commands/on-behalf.js";
import type { Config } from "../../config/schema.js";
import { Control } from "../../control/control.js";
import { systemClock } from "../../util/system-clock.js";
import type { Foundations } from "./create-foundations.js";
import { createNodeReader } from "./create-node-reader.js";
import type { TopicRuntime } from "./create-topic-runtime.js";
import type { NodeContext } from "./node-context.js";

export interface ControlContext extends Foundations, TopicRuntime, Pick<NodeContext, "readiness" | "reload"> {
  readonly commands: CommandContext;
  /** Counts the clients on all listeners. */
  readonly connections: () => number;
}

/** Creates the operations of the control service. */
export function createControl(config: Config, context: ControlContext): Control {
  const { brokers, clusterRuntime, clusterServices, commands, messaging, readiness, reload, vhostRuntime } = context;
  const { administration, vhosts } = vhostRuntime;
  return new Control({
    cluster: clusterRuntime.cluster,
    clients: commands.clients,
    index: messaging.index,
    brokers,
    clock: systemClock,
    endOfTurn: setImmediate,
    hub: messaging.hub,
    get rate() {
      return config.drain.rate;
    },
    isReady: () => readiness().length === 0,
    requireVhost: (path) => vhosts.require(path),
    reload,
    exists: (vhost, topic) => vhosts.require(vhost).exists(topic),
    join: (client, broker, topics) => joinOnBehalf(client, broker, topics, commands),
    leave: (client, broker, topics) => {
      leaveOnBehalf(client, broker, topics, commands);
    },
    admin: administration,
    readNode: createNodeReader(config, { ...context, ...clusterRuntime, ...clusterServices }),
  });
}
