import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import type { Store, StoreChange } from "../store/store.js";

/** Time between two attempts to read an unreachable store, in milliseconds. */
const RETRY = 1_000;

type RecordHandler = (change: StoreChange) => void;

export interface RecordFeedOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Handlers of the entries below each prefix. */
  readonly handlers: ReadonlyMap<string, RecordHandler>;
  /** Called when all entries of the store have been handled. Called again if it throws `unavailable`. */
  readonly onRead: () => Promise<void>;
  readonly onError: (message: string) => void;
}

/** A change of this node whose write is in flight. */
interface Write {
  /** Whether the store has reported the entry since the write began. */
  reported: boolean;
}

/** Follows the store's entries below some prefixes across outages, and applies this node's own changes at once. */
export class RecordFeed {
  readonly #options: RecordFeedOptions;
  readonly #unwatch = new Map<string, () => void>();
  /** Writes in flight, by key. */
  readonly #writes = new Map<string, Set<Write>>();
  #cancelRetry: (() => void) | undefined;
  #read = false;
  #stopped = false;

  constructor(options: RecordFeedOptions) {
    this.#options = options;
  }

  /** False until the store has been read. */
  get read(): boolean {
    return this.#read;
  }

  /** Reads the store and follows its changes. Retries while the store is unreachable. */
  async start(): Promise<void> {
    const { clock, handlers, onError, onRead, store } = this.#options;
    try {
      // An established watch survives outages, so a retry starts only the missing ones.
      for (const [prefix, handler] of handlers) {
        if (this.#unwatch.has(prefix)) continue;
        this.#unwatch.set(prefix, await store.watch(prefix, (change) => this.#onStoreChange(change, handler)));
        if (this.#stopped) return this.stop();
      }
      await onRead();
      this.#read = true;
    } catch (error) {
      if (CarillonError.from(error).code !== "unavailable") throw error;
      if (this.#stopped) return;
      this.#cancelRetry = clock.after(RETRY, () => {
        this.start().catch((cause: unknown) => onError(CarillonError.from(cause).message));
      });
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    for (const end of this.#unwatch.values()) end();
    this.#unwatch.clear();
  }

  /**
   * Writes a change and applies it before the store reports it, so that the caller sees it at once. If the store has reported
   * the entry since the write began, the change is not applied here, because the reported value may be newer.
   * @throws the errors of `write`
   */
  async change<Written>(change: StoreChange, write: () => Promise<Written>): Promise<Written> {
    const { handlers } = this.#options;
    const ownWrite: Write = { reported: false };
    const all = this.#writes.get(change.key) ?? new Set();
    this.#writes.set(change.key, all.add(ownWrite));
    try {
      const written = await write();
      const handler = [...handlers].find(([prefix]) => change.key.startsWith(prefix))?.[1];
      if (!ownWrite.reported && handler !== undefined) this.#handle(change, handler);
      return written;
    } finally {
      all.delete(ownWrite);
      if (all.size === 0 && this.#writes.get(change.key) === all) this.#writes.delete(change.key);
    }
  }

  #onStoreChange(change: StoreChange, handler: RecordHandler): void {
    for (const write of this.#writes.get(change.key) ?? []) write.reported = true;
    this.#handle(change, handler);
  }

  /** Handles one entry. A damaged entry does not affect the others. */
  #handle(change: StoreChange, handler: RecordHandler): void {
    try {
      handler(change);
    } catch (error) {
      this.#options.onError(`${change.key}: ${CarillonError.from(error).message}`);
    }
  }
}
