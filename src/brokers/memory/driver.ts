import type { HistoryClass, StoredReceipt } from "../../core/history.js";
import type { Message, Publication } from "../../core/message.js";
import type { BrokerDriver, Clock, Published, Subscription, TopicSubscription } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { MemoryHistory } from "./memory-history.js";
import { SubscribedLog } from "./subscribed-log.js";

type Deliver = (message: Message) => void;

interface ChildSubscription {
  /** Prefix of the topics' names, which ends with a dot. */
  readonly prefix: string;
  readonly deliver: (name: string, message: Message) => void;
}

export interface MemoryDriverOptions {
  readonly clock: Clock;
}

/** Broker within this process. Delivers messages before the publish resolves. */
export class MemoryDriver implements BrokerDriver {
  /** Subscribers by vhost and topic. Arrays, because most topics have one subscriber and arrays iterate faster than sets. */
  readonly #vhosts = new Map<string, Map<string, Deliver[]>>();
  /** Subscriptions to the children of a topic, by vhost. A vhost rarely has more than one. */
  readonly #childSubscriptions = new Map<string, ChildSubscription[]>();
  readonly history: MemoryHistory;
  #up = true;

  constructor({ clock }: MemoryDriverOptions) {
    this.history = new MemoryHistory(clock);
  }

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
    this.history.stop();
    return Promise.resolve();
  }

  subscribe(vhost: string, topic: string, deliver: Deliver, history?: HistoryClass): TopicSubscription {
    const topics = this.#vhosts.get(vhost) ?? new Map<string, Deliver[]>();
    this.#vhosts.set(vhost, topics);
    topics.set(topic, [...(topics.get(topic) ?? []), deliver]);
    const openLog = (changed: HistoryClass | undefined): SubscribedLog | undefined => {
      if (changed === undefined || !this.#up) return undefined;
      return new SubscribedLog(this.history, this.history.classFor(vhost, changed), topic, () => log);
    };
    let log = openLog(history);
    let isOpen = true;
    return {
      refusal: undefined,
      get log() {
        return log;
      },
      changeHistory: (changed) => {
        if (!isOpen) return;
        const previous = log;
        if (changed !== undefined) this.history.classFor(vhost, changed).adopt(changed);
        log = openLog(changed);
        previous?.close();
      },
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        log?.close();
        const others = topics.get(topic)?.filter((one) => one !== deliver) ?? [];
        if (others.length === 0) topics.delete(topic);
        else topics.set(topic, others);
      },
    };
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

  /**
   * Publishes are delivered at once, so none are ever pending.
   * @throws CarillonError unavailable: stopped
   * @throws CarillonError invalid_argument: larger than the bounds of the topic's history
   */
  admit(publications: readonly Publication[] = []): void {
    if (!this.#up) throw new CarillonError("unavailable", "the memory broker has stopped");
    for (const publication of publications) if (publication.history !== undefined) this.history.admit(publication);
  }

  async publish(publications: readonly Publication[]): Promise<Published> {
    this.admit();
    let stored: Map<Publication, StoredReceipt> | undefined;
    for (const publication of publications) {
      const { history, message, topic, vhost } = publication;
      if (history === undefined) {
        this.#deliver(vhost, topic, message);
        continue;
      }
      const appended = this.history.append(history, publication);
      stored ??= new Map();
      stored.set(publication, appended.receipt);
      if (appended.message !== undefined) this.#deliver(vhost, topic, appended.message);
    }
    return { stage: "flushed", stored: stored ?? NOTHING_STORED };
  }

  #deliver(vhost: string, topic: string, message: Message): void {
    const listeners = this.#vhosts.get(vhost)?.get(topic);
    if (listeners !== undefined) for (const deliver of listeners) deliver(message);
    const subscriptions = this.#childSubscriptions.get(vhost);
    if (subscriptions === undefined) return;
    for (const { prefix, deliver } of subscriptions) if (isChild(topic, prefix)) deliver(topic, message);
  }
}

const NOTHING_STORED: Published["stored"] = new Map();

function isChild(topic: string, prefix: string): boolean {
  return topic.startsWith(prefix) && topic.length > prefix.length && !topic.includes(".", prefix.length);
}
