import type { Message, Publication } from "../../core/message.js";
import type { BrokerDriver, Published, Subscription, TopicSubscription } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { NO_HISTORY } from "../../history/no-history.js";

type Deliver = (message: Message) => void;

interface ChildSubscription {
  /** Prefix of the topics' names, which ends with a dot. */
  readonly prefix: string;
  readonly deliver: (name: string, message: Message) => void;
}

/** Broker within this process. Delivers messages before the publish resolves. */
export class MemoryDriver implements BrokerDriver {
  /** Subscribers by vhost and topic. Arrays, because most topics have one subscriber and arrays iterate faster than sets. */
  readonly #vhosts = new Map<string, Map<string, Deliver[]>>();
  /** Subscriptions to the children of a topic, by vhost. A vhost rarely has more than one. */
  readonly #childSubscriptions = new Map<string, ChildSubscription[]>();
  readonly history = NO_HISTORY;
  #up = true;

  get up(): boolean {
    return this.#up;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#up = false;
    this.#vhosts.clear();
    this.#childSubscriptions.clear();
    return Promise.resolve();
  }

  subscribe(vhost: string, topic: string, deliver: Deliver): TopicSubscription {
    const topics = this.#vhosts.get(vhost) ?? new Map<string, Deliver[]>();
    this.#vhosts.set(vhost, topics);
    topics.set(topic, [...(topics.get(topic) ?? []), deliver]);
    const close = (): void => {
      const others = topics.get(topic)?.filter((one) => one !== deliver) ?? [];
      if (others.length === 0) topics.delete(topic);
      else topics.set(topic, others);
    };
    return { refusal: undefined, log: undefined, changeHistory: () => {}, close };
  }

  subscribeBelow(vhost: string, topic: string, deliver: ChildSubscription["deliver"]): Subscription {
    const added: ChildSubscription = { prefix: `${topic}.`, deliver };
    this.#childSubscriptions.set(vhost, [...(this.#childSubscriptions.get(vhost) ?? []), added]);
    const close = (): void => {
      const others = this.#childSubscriptions.get(vhost)?.filter((one) => one !== added) ?? [];
      if (others.length === 0) this.#childSubscriptions.delete(vhost);
      else this.#childSubscriptions.set(vhost, others);
    };
    return { refusal: undefined, close };
  }

  async settle(): Promise<void> {
    this.admit();
  }

  /** Rejects publishes only after stop. Publishes are delivered at once, so none are ever pending. */
  admit(): void {
    if (!this.#up) throw new CarillonError("unavailable", "the memory broker has stopped");
  }

  async publish(publications: readonly Publication[]): Promise<Published> {
    this.admit();
    for (const { vhost, topic, message } of publications) {
      const listeners = this.#vhosts.get(vhost)?.get(topic);
      if (listeners !== undefined) for (const deliver of listeners) deliver(message);
      const subscriptions = this.#childSubscriptions.get(vhost);
      if (subscriptions === undefined) continue;
      for (const { prefix, deliver } of subscriptions) if (isChild(topic, prefix)) deliver(topic, message);
    }
    return { stage: "flushed", stored: NOTHING_STORED };
  }
}

const NOTHING_STORED: Published["stored"] = new Map();

function isChild(topic: string, prefix: string): boolean {
  return topic.startsWith(prefix) && topic.length > prefix.length && !topic.includes(".", prefix.length);
}
