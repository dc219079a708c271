import type { Message, Publication, Stage } from "../../core/message.js";
import type { BrokerDriver, Subscription } from "../../core/ports.js";

type Deliver = (message: Message) => void;

/** Within this process only: nothing to install, nothing to lose. What is published is delivered before it is answered. */
export class MemoryDriver implements BrokerDriver {
  readonly up = true;
  readonly #vhosts = new Map<string, Map<string, Set<Deliver>>>();

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#vhosts.clear();
    return Promise.resolve();
  }

  subscribe(vhost: string, topic: string, deliver: Deliver): Subscription {
    const topics = this.#vhosts.get(vhost) ?? new Map<string, Set<Deliver>>();
    this.#vhosts.set(vhost, topics);
    const listeners = topics.get(topic) ?? new Set<Deliver>();
    topics.set(topic, listeners);
    listeners.add(deliver);
    const close = (): void => {
      listeners.delete(deliver);
      if (listeners.size === 0 && topics.get(topic) === listeners) topics.delete(topic);
    };
    return { refusal: undefined, close };
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  admit(): void {
    // Nothing waits here: what is published is handed on at once.
  }

  publish(publications: readonly Publication[]): Promise<Stage> {
    for (const { vhost, topic, message } of publications) {
      const listeners = this.#vhosts.get(vhost)?.get(topic);
      if (listeners !== undefined) for (const deliver of listeners) deliver(message);
    }
    return Promise.resolve("flushed");
  }
}
