import { MemoryDriver } from "../../brokers/memory/driver.js";
import { BrokerRegistry } from "../../brokers/registry.js";
import type { BrokerConfig, Config } from "../../config/schema.js";
import { MessageIds } from "../../core/message.js";
import type { BrokerDriver } from "../../core/ports.js";
import { NatsDriver } from "../../nats/broker/driver.js";
import type { LimitedLog } from "../../observe/limited-log.js";
import type { Logger } from "../../observe/log.js";
import { systemClock } from "../../util/system-clock.js";
import { natsOptions } from "../nats-options.js";

export interface BrokerContext {
  /** Id of this node, unique in the cluster. */
  readonly node: string;
  readonly log: Logger;
  readonly limitedLog: LimitedLog;
  /** Called when a broker has connected, for the first time or again. */
  readonly onUp: (name: string) => void;
  readonly onDown: () => void;
  /** Names the brokers of a vhost; undefined for all of them. */
  readonly namesFor: (vhost: string) => readonly string[] | undefined;
}

/** Creates the drivers of the configured brokers. They do not connect yet. */
export function createBrokers({ brokers }: Config, context: BrokerContext): BrokerRegistry {
  const drivers = Object.entries(brokers).map(([name, broker]) => [name, createDriver(name, broker, context)] as const);
  const all = Object.keys(brokers);
  return new BrokerRegistry(new Map(drivers), (vhost) => context.namesFor(vhost) ?? all);
}

function createDriver(name: string, broker: BrokerConfig, context: BrokerContext): BrokerDriver {
  if (broker.driver === "memory") return new MemoryDriver({ clock: systemClock });
  const { limitedLog, log, node, onDown, onUp } = context;
  return new NatsDriver({
    name,
    nats: natsOptions(broker),
    ids: new MessageIds(`${node}-${name}`),
    clock: systemClock,
    events: {
      onUp: (server) => {
        log.info({ broker: name, server }, "broker connected");
        onUp(name);
      },
      onDown: (reason) => {
        log.warn({ broker: name, reason }, "broker disconnected, retrying");
        onDown();
      },
      onError: (message) => {
        limitedLog.error({ broker: name }, message, "broker");
      },
    },
  });
}
