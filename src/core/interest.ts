import type { FanOut } from "./fan-out.js";
import type { BrokerDriver, Clock } from "./ports.js";
import type { Topic } from "./topic.js";
import type { TopicIndex } from "./topic-index.js";

/**
 * Which topics this node hears from its brokers: exactly those that somebody holds, and for a moment those that
 * somebody held, so that a client that comes and goes does not make the broker's interest come and go.
 *
 * One timer serves all topics: they leave in the order in which they were let go.
 */
export class Interest {
  readonly #index: TopicIndex;
  readonly #fanOut: FanOut;
  readonly #clock: Clock;
  readonly #linger: number;
  readonly #lingering = new Map<Topic, number>();
  #cancelTimer: (() => void) | undefined;

  /** @param linger - milliseconds for which an unused topic stays subscribed */
  constructor(index: TopicIndex, fanOut: FanOut, clock: Clock, linger: number) {
    this.#index = index;
    this.#fanOut = fanOut;
    this.#clock = clock;
    this.#linger = linger;
  }

  /** Subscribes to the topic unless that has been done. The caller settles with the driver before relying on it. */
  hold(topic: Topic, driver: BrokerDriver): void {
    topic.holders += 1;
    this.#lingering.delete(topic);
    topic.subscription ??= driver.subscribe(topic.vhost, topic.name, (message) => {
      this.#fanOut.deliver(topic, message);
    });
  }

  /** Undoes one hold. The last one starts the topic's lingering; a topic that was refused goes at once. */
  release(topic: Topic): void {
    topic.holders -= 1;
    if (topic.holders > 0) return;
    if (topic.subscription?.refusal !== undefined) {
      this.#drop(topic);
      return;
    }
    this.#lingering.set(topic, this.#clock.monotonic() + this.#linger);
    this.#cancelTimer ??= this.#clock.after(this.#linger, this.#sweep);
  }

  /** Lets go of what lingers. The subscriptions of topics that are held end with their drivers. */
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
