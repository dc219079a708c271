import type { Message, Publication, Stage } from "../../core/message.js";
import type { BrokerDriver, Subscription } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";

type Deliver = (message: Message) => void;

interface Below {
  /** What the names begin with: its last character is a dot. */
  readonly above: string;
  readonly deliver: (name: string, message: Message) => void;
}

/** Within this process only: nothing to install, nothing to lose. What is published is delivered before it is answered. */
export class MemoryDriver implements BrokerDriver {
  /** By vhost and topic. Nearly every topic has one listener, and lists are gone through for less than sets. */
  readonly #vhosts = new Map<string, Map<string, Deliver[]>>();
  /** By vhost. There is hardly more than one of each. */
  readonly #below = new Map<string, Below[]>();
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
    this.#below.clear();
    return Promise.resolve();
  }

  subscribe(vhost: string, topic: string, deliver: Deliver): Subscription {
    const topics = this.#vhosts.get(vhost) ?? new Map<string, Deliver[]>();
    this.#vhosts.set(vhost, topics);
    topics.set(topic, [...(topics.get(topic) ?? []), deliver]);
    const close = (): void => {
      const others = topics.get(topic)?.filter((one) => one !== deliver) ?? [];
      if (others.length === 0) topics.delete(topic);
      else topics.set(topic, others);
    };
    return { refusal: undefined, close };
  }

  subscribeBelow(vhost: string, topic: string, deliver: Below["deliver"]): Subscription {
    const below: Below = { above: `${topic}.`, deliver };
    this.#below.set(vhost, [...(this.#below.get(vhost) ?? []), below]);
    const close = (): void => {
      const others = this.#below.get(vhost)?.filter((one) => one !== below) ?? [];
      if (others.length === 0) this.#below.delete(vhost);
      else this.#below.set(vhost, others);
    };
    return { refusal: undefined, close };
  }

  async settle(): Promise<void> {
    this.admit();
  }

  /** Nothing waits here, as what is published is handed on at once: only a driver that has stopped takes nothing. */
  admit(): void {
    if (!this.#up) throw new CarillonError("unavailable", "the memory broker has stopped");
  }

  async publish(publications: readonly Publication[]): Promise<Stage> {
    this.admit();
    for (const { vhost, topic, message } of publications) {
      const listeners = this.#vhosts.get(vhost)?.get(topic);
      if (listeners !== undefined) for (const deliver of listeners) deliver(message);
      const below = this.#below.get(vhost);
      if (below === undefined) continue;
      for (const { above, deliver } of below) if (isBelow(topic, above)) deliver(topic, message);
    }
    return "flushed";
  }
}

function isBelow(topic: string, above: string): boolean {
  return topic.startsWith(above) && topic.length > above.length && !topic.includes(".", above.length);
}
