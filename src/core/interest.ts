import type { BrokerDriver, Clock } from "./ports.js";
import type { Topic } from "./topic.js";
import type { TopicIndex } from "./topic-index.js";

/**
 * Subscriptions of this node with its brokers: one for each topic in use. An unused topic lingers for a moment, so that a
 * client that reconnects does not make the broker unsubscribe and subscribe again.
 *
 * One timer serves all topics, because they expire in the order in which they were released.
 */
export class Interest {
  readonly #index: TopicIndex;
  readonly #clock: Clock;
  readonly #linger: () => number;
  readonly #lingering = new Map<Topic, number>();
  #cancelTimer: (() => void) | undefined;

  /** @param linger - returns the milliseconds for which an unused topic stays subscribed */
  constructor(index: TopicIndex, clock: Clock, linger: () => number) {
    this.#index = index;
    this.#clock = clock;
    this.#linger = linger;
  }

  /** Subscribes to the topic if it is not subscribed. Callers await the driver's `settle` before they rely on it. */
  hold(topic: Topic, driver: BrokerDriver): void {
    topic.holders += 1;
    this.#lingering.delete(topic);
    topic.subscription ??= driver.subscribe(topic.vhost, topic.name, topic, topic.rules.history);
  }

  /** Undoes one `hold`. The last release starts the topic's linger; a topic that the broker refused is dropped at once. */
  release(topic: Topic): void {
    topic.holders -= 1;
    if (topic.holders > 0) return;
    if (topic.subscription?.refusal !== undefined) {
      this.#drop(topic);
      return;
    }
    const linger = this.#linger();
    this.#lingering.set(topic, this.#clock.monotonic() + linger);
    this.#cancelTimer ??= this.#clock.after(linger, this.#sweep);
  }

  /** Drops the lingering topics. Subscriptions of topics in use end with their drivers. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const topic of this.#lingering.keys()) this.#drop(topic);
  }

  readonly #sweep = (): void => {
    this.#cancelTimer = undefined;
    const now = this.#clock.monotonic();
    for (const [topic, until] of this.#lingering) {
      if (until > now) {
        this.#cancelTimer = this.#clock.after(until - now, this.#sweep);
        return;
      }
      this.#drop(topic);
    }
  };

  #drop(topic: Topic): void {
    this.#lingering.delete(topic);
    this.#index.remove(topic);
    topic.subscription?.close();
    topic.subscription = undefined;
  }
}
