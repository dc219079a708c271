import type { BrokerRegistry } from "../../brokers/registry.js";
import type { Config } from "../../config/schema.js";
import { FanOut } from "../../core/fan-out.js";
import { Hub } from "../../core/hub.js";
import { Interest } from "../../core/interest.js";
import { type Message, MessageIds } from "../../core/message.js";
import { OutboxContext } from "../../core/outbox.js";
import { Publisher, type PublisherOptions } from "../../core/publishing/publisher.js";
import type { Session } from "../../core/session.js";
import type { Topic } from "../../core/topic.js";
import { TopicIndex } from "../../core/topic-index.js";
import type { Drops, RulesOf } from "../../core/topic-rules.js";
import { TrafficCounts } from "../../core/traffic.js";
import type { LimitedLog } from "../../observe/limited-log.js";
import type { Tracing } from "../../tracing/tracing.js";
import { systemClock } from "../../util/system-clock.js";

export interface MessagingContext {
  /** Id of this node, unique in the cluster. */
  readonly node: string;
  readonly limitedLog: LimitedLog;
  readonly brokers: BrokerRegistry;
  readonly rulesOf: RulesOf;
  readonly historyOf: PublisherOptions["historyOf"];
  /** Undefined if traces are not recorded. */
  readonly tracing: Tracing | undefined;
  /** Called with one of the messages of each write to sessions. */
  readonly onWritten: (message: Message) => void;
  /** Called when a session has left a topic. */
  readonly onLeft: (session: Session, topic: Topic) => void;
}

/** The path of messages from publishers to sessions. */
export interface Messaging {
  readonly index: TopicIndex;
  readonly hub: Hub;
  readonly fanOut: FanOut;
  readonly interest: Interest;
  readonly publisher: Publisher;
  readonly outbox: OutboxContext;
  readonly traffic: TrafficCounts;
  /** Counts lost messages by reason. */
  readonly lost: () => Readonly<Record<string, number>>;
}

/** @param config - of the running node, whose limits may change */
export function createMessaging(config: Config, context: MessagingContext): Messaging {
  const { limits, vhosts } = config;
  const { brokers, historyOf, limitedLog, node, onLeft, onWritten, rulesOf, tracing } = context;
  const drops: Drops = { disconnect: 0, drop_oldest: 0, latest: 0 };
  let unconfirmed = 0;
  const traffic = new TrafficCounts();
  // The vhosts of the configuration come first where there are more than labels.
  for (const vhost of Object.keys(vhosts)) traffic.label(vhost);
  const outbox = new OutboxContext(limits.outbox, drops);
  const fanOut = new FanOut({
    endOfTurn: setImmediate,
    clock: systemClock,
    outbox,
    onSlow: (session) => {
      hub.remove(session, "slow_consumer");
    },
    onWritten,
    tracer: tracing?.deliveries,
  });
  const index = new TopicIndex(rulesOf, fanOut, traffic);
  const interest = new Interest(index, systemClock, () => config.interest_linger);
  const hub = new Hub(fanOut, (topic, session) => {
    interest.release(topic);
    onLeft(session, topic);
  });
  const publisher = new Publisher({
    brokers,
    ids: new MessageIds(node),
    clock: systemClock,
    limits: {
      get payloadBytes() {
        return limits.payload;
      },
      get topicsPerMessage() {
        return limits.topics_per_message;
      },
      get expandedBytes() {
        return limits.expanded_request;
      },
    },
    traffic,
    tracer: tracing?.publishes,
    historyOf,
    onUnconfirmed: (messages, cause) => {
      unconfirmed += messages;
      limitedLog.warn({ messages, err: cause }, "accepted messages may be lost");
    },
  });
  const lost = () => {
    const { disconnect, drop_oldest, latest } = drops;
    return { slow_consumer: disconnect, drop_oldest, latest, unconfirmed };
  };
  return { index, hub, fanOut, interest, publisher, outbox, traffic, lost };
}
