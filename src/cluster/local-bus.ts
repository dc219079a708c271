import { errorText } from "../util/native-error.js";
import type { Bus } from "./bus.js";

type OnMessage = (data: Uint8Array) => void;

interface LocalSubscriber {
  readonly onMessage: OnMessage;
  readonly group: string | undefined;
}

/** Bus of a single node. Delivers messages after the current code has finished, as a network would. */
export class LocalBus implements Bus {
  readonly shared: boolean = false;
  readonly #onError: (message: string) => void;
  readonly #subscribers = new Map<string, Set<LocalSubscriber>>();
  readonly #noSubscriberListeners: ((id: string) => void)[] = [];
  #up = false;

  /** @param onError - called when a subscriber throws */
  constructor(onError: (message: string) => void) {
    this.#onError = onError;
  }

  get up(): boolean {
    return this.#up;
  }

  start(): Promise<void> {
    this.#up = true;
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    await this.flush();
    this.#up = false;
    this.#subscribers.clear();
  }

  publish(subject: string, data: Uint8Array): void {
    if (!this.#up) return;
    queueMicrotask(() => {
      this.#deliver(subject, data);
    });
  }

  offer(subject: string, data: Uint8Array, id: string): void {
    if (!this.#up) return;
    queueMicrotask(() => {
      if (this.#deliver(subject, data)) return;
      for (const listener of this.#noSubscriberListeners) this.#guard(subject, () => listener(id));
    });
  }

  onNoSubscriber(listener: (id: string) => void): void {
    this.#noSubscriberListeners.push(listener);
  }

  /** Resolves after earlier messages have been delivered, because microtasks run in order. */
  flush(): Promise<void> {
    return Promise.resolve();
  }

  subscribe(subject: string, onMessage: OnMessage, group?: string): () => void {
    const subscribers = this.#subscribers.get(subject) ?? new Set();
    this.#subscribers.set(subject, subscribers);
    // A new object, because a function may be subscribed twice.
    const subscriber: LocalSubscriber = { onMessage, group };
    subscribers.add(subscriber);
    return () => {
      subscribers.delete(subscriber);
      if (subscribers.size === 0 && this.#subscribers.get(subject) === subscribers) this.#subscribers.delete(subject);
    };
  }

  /** @returns whether the subject has a subscriber */
  #deliver(subject: string, data: Uint8Array): boolean {
    const subscribers = this.#subscribers.get(subject);
    if (subscribers === undefined) return false;
    for (const { onMessage } of selectSubscribers(subscribers)) this.#guard(subject, () => onMessage(data));
    return true;
  }

  #guard(subject: string, run: () => void): void {
    try {
      run();
    } catch (cause) {
      this.#onError(`handling a message of ${subject} failed: ${errorText(cause)}`);
    }
  }
}

/** Selects the subscribers without a group, and one of each group, in turns. */
function selectSubscribers(subscribers: Set<LocalSubscriber>): LocalSubscriber[] {
  const groups = new Set<string>();
  const all = Array.from(subscribers).filter(({ group }) => {
    const first = group === undefined || !groups.has(group);
    if (group !== undefined) groups.add(group);
    return first;
  });
  for (const subscriber of all) {
    // Moves the selected subscriber to the end of its group.
    if (subscriber.group !== undefined && subscribers.delete(subscriber)) subscribers.add(subscriber);
  }
  return all;
}
