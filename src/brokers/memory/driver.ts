import type { HistoryClass, StoredReceipt } from "../../core/history.js";
import type { Message, Publication } from "../../core/message.js";
import type {
  BrokerDriver,
  Clock,
  MessageReceiver,
  Published,
  Subscription,
  TopicSubscription,
} from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { MemoryHistory } from "./memory-history.js";
import { SubscribedLog } from "./subscribed-log.js";

interface ChildSubscription {
  /** Prefix of the topics' names, which ends with a dot. */
  readonly prefix: string;
  readonly deliver: (name: string, message: Message) => void;
}

/** Subscriptions of one vhost. */
interface VhostSubscriptions {
  /** Receiver of each topic: nearly always the only one, without a list around it. */
  readonly topics: Map<string, MessageReceiver>;
  /** Subscriptions to the children of a topic. A vhost rarely has more than two. */
  children: readonly ChildSubscription[];
}

/** Receivers of one topic. */
class Receivers implements MessageReceiver {
  constructor(readonly all: readonly MessageReceiver[]) {}

  deliver(message: Message): void {
    for (const receiver of this.all) receiver.deliver(message);
  }
}

export interface MemoryDriverOptions {
  readonly clock: Clock;
}

/** Broker within this process. Delivers messages before the publish returns. */
export class MemoryDriver implements BrokerDriver {
  readonly #vhosts = new Map<string, VhostSubscriptions>();
  readonly history: MemoryHistory;
  readonly link = { reconnects: 0, pendingBytes: 0 };
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
    this.history.stop();
    return Promise.resolve();
  }

  subscribe(vhost: string, topic: string, receiver: MessageReceiver, history?: HistoryClass): TopicSubscription {
    const { topics } = this.#subscriptionsOf(vhost);
    setReceivers(topics, topic, [...receiversOf(topics, topic), receiver]);
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
        if (changed !== undefined) this.history.classFor(vhost, changed).changeSettings(changed);
        log = openLog(changed);
        previous?.close();
      },
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        log?.close();
        const others = receiversOf(topics, topic).filter((one) => one !== receiver);
        setReceivers(topics, topic, others);
      },
    };
  }

  subscribeBelow(vhost: string, topic: string, deliver: ChildSubscription["deliver"]): Subscription {
    const added: ChildSubscription = { prefix: `${topic}.`, deliver };
    const subscriptions = this.#subscriptionsOf(vhost);
    subscriptions.children = [...subscriptions.children, added];
    const close = (): void => {
      subscriptions.children = subscriptions.children.filter((one) => one !== added);
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
    if (!this.#up) throw createStopped();
    for (const publication of publications) if (publication.history !== undefined) this.history.admit(publication);
  }

  publish(publications: readonly Publication[]): Published | Promise<Published> {
    if (!this.#up) return Promise.reject(createStopped());
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

  #subscriptionsOf(vhost: string): VhostSubscriptions {
    let subscriptions = this.#vhosts.get(vhost);
    if (subscriptions === undefined) {
      subscriptions = { topics: new Map(), children: [] };
      this.#vhosts.set(vhost, subscriptions);
    }
    return subscriptions;
  }

  #deliver(vhost: string, topic: string, message: Message): void {
    const subscriptions = this.#vhosts.get(vhost);
    if (subscriptions === undefined) return;
    subscriptions.topics.get(topic)?.deliver(message);
    for (const { prefix, deliver } of subscriptions.children) if (isChild(topic, prefix)) deliver(topic, message);
  }
}

function receiversOf(topics: VhostSubscriptions["topics"], topic: string): readonly MessageReceiver[] {
  const receiver = topics.get(topic);
  if (receiver instanceof Receivers) return receiver.all;
  return receiver === undefined ? [] : [receiver];
}

function setReceivers(topics: VhostSubscriptions["topics"], topic: string, all: readonly MessageReceiver[]): void {
  const [only] = all;
  if (only === undefined) topics.delete(topic);
  else topics.set(topic, all.length === 1 ? only : new Receivers(all));
}

const NOTHING_STORED: Published["stored"] = new Map();

function createStopped(): CarillonError {
  return new CarillonError("unavailable", "the memory broker has stopped");
}

function isChild(topic: string, prefix: string): boolean {
  return topic.startsWith(prefix) && topic.length > prefix.length && !topic.includes(".", prefix.length);
}
