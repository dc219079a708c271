import type { BrokerRegistry } from "../../brokers/registry.js";
import { HistoryPreparation } from "../../history/history-preparation.js";
import type { Logger } from "../../observe/log.js";
import { systemClock } from "../../util/system-clock.js";
import type { Vhosts } from "../../vhosts/vhosts.js";

/** Creates the preparation of the brokers' stores for the history classes of all vhosts. Faults are logged once each. */
export function createHistoryPreparation(brokers: BrokerRegistry, vhosts: Vhosts, log: Logger): HistoryPreparation {
  return new HistoryPreparation({
    clock: systemClock,
    brokers: brokers.all,
    vhosts: () => [...vhosts.all].map(({ name }) => name),
    classesOf: (path, broker) => {
      const vhost = vhosts.get(path);
      if (vhost === undefined || vhost.settings.brokers?.includes(broker) === false) return [];
      return vhost.historyClasses;
    },
    exists: (path) => vhosts.get(path) !== undefined,
    endOfTurn: setImmediate,
    onRemains: (broker, vhost, reason) => {
      log.warn({ broker, vhost, reason }, "the stored messages of a deleted vhost cannot be removed yet");
    },
    onFault: (broker, vhost, reason) => {
      log.error({ broker, vhost, reason }, "the history of topics cannot be stored as configured");
    },
    onReady: (broker, vhost) => {
      log.info({ broker, vhost }, "the history of topics can be stored");
    },
  });
}
