import type { Message, Publication, Stage } from "../../core/message.js";
import type { BrokerDriver, Subscription } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";

type Deliver = (message: Message) => void;

/** Within this process only: nothing to install, nothing to lose. What is published is delivered before it is answered. */
export class MemoryDriver implements BrokerDriver {
  /** By vhost and topic. Nearly every topic has one listener, and lists are gone through for less than sets. */
  readonly #vhosts = new Map<string, Map<string, Deliver[]>>();
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
    }
    return "flushed";
  }
}
