import { types } from "node:util";
import type { Bus } from "./bus.js";

type OnMessage = (data: Uint8Array) => void;

/** Words of one node to itself. They arrive after the code that is running has ended, as they would from elsewhere. */
export class LocalBus implements Bus {
  readonly shared: boolean = false;
  readonly #onError: (message: string) => void;
  readonly #listeners = new Map<string, Set<OnMessage>>();
  #up = false;

  /** @param onError - told of faults of those who listen */
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
    this.#listeners.clear();
  }

  publish(subject: string, data: Uint8Array): void {
    if (!this.#up) return;
    queueMicrotask(() => {
      const listeners = this.#listeners.get(subject);
      if (listeners !== undefined) for (const onMessage of listeners) this.#tell(subject, onMessage, data);
    });
  }

  /** Microtasks run in their order: what was published before has been delivered. */
  flush(): Promise<void> {
    return Promise.resolve();
  }

  subscribe(subject: string, onMessage: OnMessage): () => void {
    const listeners = this.#listeners.get(subject) ?? new Set();
    this.#listeners.set(subject, listeners);
    // One function may listen twice.
    const listener: OnMessage = (data) => {
      onMessage(data);
    };
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(subject) === listeners) this.#listeners.delete(subject);
    };
  }

  #tell(subject: string, onMessage: OnMessage, data: Uint8Array): void {
    try {
      onMessage(data);
    } catch (fault) {
      const reason = types.isNativeError(fault) ? fault.message : String(fault);
      this.#onError(`taking a message of ${subject} failed: ${reason}`);
    }
  }
}
