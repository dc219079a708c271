import { errorText } from "../util/native-error.js";
import type { Bus } from "./bus.js";

type OnMessage = (data: Uint8Array) => void;

interface Listener {
  readonly onMessage: OnMessage;
  readonly group: string | undefined;
}

/** Words of one node to itself. They arrive after the code that is running has ended, as they would from elsewhere. */
export class LocalBus implements Bus {
  readonly shared: boolean = false;
  readonly #onError: (message: string) => void;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #onUnheard: ((id: string) => void)[] = [];
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
      this.#deliver(subject, data);
    });
  }

  offer(subject: string, data: Uint8Array, id: string): void {
    if (!this.#up) return;
    queueMicrotask(() => {
      if (this.#deliver(subject, data)) return;
      for (const onUnheard of this.#onUnheard) this.#guard(subject, () => onUnheard(id));
    });
  }

  onUnheard(listener: (id: string) => void): void {
    this.#onUnheard.push(listener);
  }

  /** Microtasks run in their order: what was published before has been delivered. */
  flush(): Promise<void> {
    return Promise.resolve();
  }

  subscribe(subject: string, onMessage: OnMessage, group?: string): () => void {
    const listeners = this.#listeners.get(subject) ?? new Set();
    this.#listeners.set(subject, listeners);
    // An object of its own: one function may listen twice.
    const listener: Listener = { onMessage, group };
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(subject) === listeners) this.#listeners.delete(subject);
    };
  }

  /** @returns whether anybody listens */
  #deliver(subject: string, data: Uint8Array): boolean {
    const listeners = this.#listeners.get(subject);
    if (listeners === undefined) return false;
    for (const { onMessage } of chosen(listeners)) this.#guard(subject, () => onMessage(data));
    return true;
  }

  #guard(subject: string, run: () => void): void {
    try {
      run();
    } catch (fault) {
      this.#onError(`taking a message of ${subject} failed: ${errorText(fault)}`);
    }
  }
}

/** All that are in no group, and one of each group: its members take turns. */
function chosen(listeners: Set<Listener>): Listener[] {
  const groups = new Set<string>();
  const all = Array.from(listeners).filter(({ group }) => {
    const first = group === undefined || !groups.has(group);
    if (group !== undefined) groups.add(group);
    return first;
  });
  for (const listener of all) {
    // The last of its group from now on.
    if (listener.group !== undefined && listeners.delete(listener)) listeners.add(listener);
  }
  return all;
}
