import type { BrokerRegistry } from "../../brokers/registry.js";
import type { CommandContext } from "../../commands/command-context.js";
import { ConfigReader } from "../../config/config-reader.js";
import type { Config } from "../../config/schema.js";
import { DEFAULT_RULES } from "../../core/topic-rules.js";
import type { HistoryPreparation } from "../../history/history-preparation.js";
import { createBrokers } from "./create-brokers.js";
import type { Foundations } from "./create-foundations.js";
import { createHistoryPreparation } from "./create-history-preparation.js";
import { createMessaging, type Messaging, type MessagingContext } from "./create-messaging.js";
import { createVhostEvents, createVhosts, type VhostRuntime } from "./create-vhosts.js";
import type { NodeContext } from "./node-context.js";

export interface TopicRuntimeContext
  extends Pick<NodeContext, "dialects" | "log" | "onBrokerDown" | "onChanged">,
    Pick<Foundations, "limitedLog" | "node" | "store" | "tracing">,
    Pick<MessagingContext, "onWritten"> {
  /** Called for each change of a vhost, and when a session leaves a topic. */
  readonly commands: () => CommandContext;
}

/** The parts that topics consist of: vhosts with their rules, brokers, histories, and the path of messages. */
export interface TopicRuntime {
  readonly vhostRuntime: VhostRuntime;
  readonly brokers: BrokerRegistry;
  readonly historyPreparation: HistoryPreparation;
  readonly messaging: Messaging;
}

/** @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used */
export function createTopicRuntime(config: Config, context: TopicRuntimeContext): TopicRuntime {
  const { commands, dialects, log, onBrokerDown, onChanged } = context;
  const reader = new ConfigReader(dialects);
  const vhostRuntime = createVhosts(config, {
    ...context,
    parse: (path, rawSettings) => reader.parseVhost(path, rawSettings),
    events: {
      onLoaded: onChanged,
      onHistoryChanged: (vhost) => {
        historyPreparation.vhostChanged(vhost);
      },
      ...createVhostEvents(commands),
    },
  });
  const { vhosts } = vhostRuntime;
  const brokers = createBrokers(config, {
    ...context,
    onUp: (name) => {
      historyPreparation.brokerUp(name);
      onChanged();
    },
    onDown: onBrokerDown,
    namesFor: (vhost) => vhosts.get(vhost)?.settings.brokers,
  });
  const historyPreparation: HistoryPreparation = createHistoryPreparation(brokers, vhosts, log);
  const messaging = createMessaging(config, {
    ...context,
    brokers,
    rulesOf: (vhost, topic) => vhosts.get(vhost)?.rulesFor(topic) ?? DEFAULT_RULES,
    historyOf: (vhost) => vhosts.get(vhost)?.history,
    onLeft: (session, topic) => {
      const { attendance, groups } = commands();
      attendance.left(session, topic);
      groups.left(session, topic);
    },
  });
  return { vhostRuntime, brokers, historyPreparation, messaging };
}
