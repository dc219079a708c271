import type { BrokerRegistry } from "../../brokers/registry.js";
import { empty, exitLost, exitLostOf } from "../../commands/exit.js";
import type { Services } from "../../commands/services.js";
import type { Topic } from "../../core/topic.js";
import type { Vhost } from "../../vhosts/vhost.js";
import type { VhostEvents } from "../../vhosts/vhosts.js";
import type { Messaging } from "./create-messaging.js";

/** Whom changes of vhosts concern. */
interface Concerned {
  readonly messaging: Messaging;
  readonly services: Services;
  readonly brokers: BrokerRegistry;
}

/**
 * What becomes of clients and topics when their vhost changes.
 * @param concerned - asked when something has changed: they are made after the vhosts
 */
export function vhostEvents(
  concerned: () => Concerned,
): Pick<VhostEvents, "onChanged" | "onDeleted" | "onChannelRuled" | "onChannelClosed"> {
  return {
    onChanged: ({ name }, access) => {
      const { messaging, services } = concerned();
      const { attendance, clients, userTopics } = services;
      messaging.index.refresh(name, (topic, rules) => {
        attendance.ruled(topic, rules);
      });
      for (const client of clients.all(name)) exitLost(client, { principal: client.principal, access }, services);
      userTopics.refresh(name);
    },
    onDeleted: ({ name }) => concerned().services.clients.disconnectAll(name, "vhost_deleted"),
    onChannelRuled: (vhost, channel, rules) => {
      const { services } = concerned();
      for (const topic of topicsNamed(vhost, channel, concerned())) {
        rule(vhost, topic, services);
        exitLostOf(topic, { exists: () => true, rulesFor: () => rules }, services);
      }
    },
    onChannelClosed: (vhost, channel) => {
      const { services } = concerned();
      for (const topic of topicsNamed(vhost, channel, concerned())) {
        empty(topic, services);
        rule(vhost, topic, services);
      }
    },
  };
}

/** With all brokers. */
function topicsNamed(vhost: Vhost, name: string, { brokers, messaging }: Concerned): Topic[] {
  const all = [...brokers.all].map((broker) => messaging.index.find(vhost.name, broker.name, name));
  return all.filter((topic) => topic !== undefined);
}

function rule(vhost: Vhost, topic: Topic, { attendance }: Services): void {
  const { rules } = topic;
  topic.rules = vhost.rulesFor(topic.name);
  attendance.ruled(topic, rules);
}
