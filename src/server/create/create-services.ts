import { Clients } from "../../clients/clients.js";
import { ConnectionAges } from "../../clients/connection-ages.js";
import type { CommandContext } from "../../commands/command-context.js";
import { toHookSubject } from "../../commands/hooks.js";
import type { Config } from "../../config/schema.js";
import type { Control } from "../../control/control.js";
import type { Hub } from "../../core/hub.js";
import { systemClock } from "../../util/system-clock.js";
import { createCommandContext } from "./create-command-context.js";
import { createControl } from "./create-control.js";
import type { Foundations } from "./create-foundations.js";
import type { TopicRuntime } from "./create-topic-runtime.js";
import type { NodeContext } from "./node-context.js";

export interface NodeServicesContext extends Foundations, TopicRuntime, Pick<NodeContext, "readiness" | "reload"> {
  /** Counts the clients on all listeners. */
  readonly connections: () => number;
}

/** The operations of clients and backends. */
export interface Services {
  readonly clients: Clients;
  readonly connectionAges: ConnectionAges;
  readonly commands: CommandContext;
  readonly control: Control;
}

export function createServices(config: Config, context: NodeServicesContext): Services {
  const { clusterServices, messaging, vhostRuntime } = context;
  const clients = createClients(messaging.hub);
  const commands = createCommandContext(config, {
    ...context,
    ...clusterServices,
    vhosts: vhostRuntime.vhosts,
    clients,
  });
  return {
    clients,
    connectionAges: createConnectionAges(config, clients),
    commands,
    control: createControl(config, { ...context, commands }),
  };
}

function createClients(hub: Hub): Clients {
  const clients = new Clients(hub, systemClock);
  clients.listen({
    onOpened: () => {},
    onClosed: (client, code, reason) => {
      if (client.connectHookDone) client.vhost.hooks?.onDisconnect({ client: toHookSubject(client), code, reason });
    },
  });
  return clients;
}

function createConnectionAges(config: Config, clients: Clients): ConnectionAges {
  const age = (): number | undefined => (config.max_connection_age === "off" ? undefined : config.max_connection_age);
  return new ConnectionAges({ clients, clock: systemClock, age });
}
