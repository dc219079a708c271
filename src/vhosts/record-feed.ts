import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import type { Store, StoreChange } from "../store/store.js";

/** Milliseconds between two tries to read a store that cannot be reached. */
const RETRY = 1_000;

type Take = (change: StoreChange) => void;

export interface RecordFeedOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** What takes the entries below each prefix. */
  readonly takers: ReadonlyMap<string, Take>;
  /** Everything that is in the store has been taken. May throw what the store throws: it is called again then. */
  readonly onRead: () => Promise<void>;
  readonly onError: (message: string) => void;
}

/** A change of this node that is being written. */
interface Write {
  /** Whether the store has told of the entry meanwhile. */
  heard: boolean;
}

/** What the store holds below some prefixes, heard as it changes, over outages; and this node's own changes at once. */
export class RecordFeed {
  readonly #options: RecordFeedOptions;
  readonly #unwatch = new Map<string, () => void>();
  /** By key. */
  readonly #writes = new Map<string, Set<Write>>();
  #cancelRetry: (() => void) | undefined;
  #read = false;
  #stopped = false;

  constructor(options: RecordFeedOptions) {
    this.#options = options;
  }

  /** False until what the store holds is known. */
  get read(): boolean {
    return this.#read;
  }

  /** Reads, and goes on hearing changes. A store that cannot be reached is tried again. */
  async start(): Promise<void> {
    const { clock, onError, onRead, store, takers } = this.#options;
    try {
      // A watch that stands outlives outages: what fails is tried again without those before.
      for (const [prefix, take] of takers) {
        if (this.#unwatch.has(prefix)) continue;
        this.#unwatch.set(prefix, await store.watch(prefix, (change) => this.#hear(change, take)));
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
   * Writes a change and takes it before the store tells of it, so that whoever made it sees it at once. What the store has
   * told of meanwhile may be later than it, and is left as it is: the change itself is told in its turn.
   * @throws what write throws
   */
  async change<Written>(change: StoreChange, write: () => Promise<Written>): Promise<Written> {
    const { takers } = this.#options;
    const mine: Write = { heard: false };
    const all = this.#writes.get(change.key) ?? new Set();
    this.#writes.set(change.key, all.add(mine));
    try {
      const written = await write();
      const take = [...takers].find(([prefix]) => change.key.startsWith(prefix))?.[1];
      if (!mine.heard && take !== undefined) this.#take(change, take);
      return written;
    } finally {
      all.delete(mine);
      if (all.size === 0 && this.#writes.get(change.key) === all) this.#writes.delete(change.key);
    }
  }

  #hear(change: StoreChange, take: Take): void {
    for (const write of this.#writes.get(change.key) ?? []) write.heard = true;
    this.#take(change, take);
  }

  /** One entry that cannot be read does not keep the others from being known. */
  #take(change: StoreChange, take: Take): void {
    try {
      take(change);
    } catch (error) {
      this.#options.onError(`${change.key}: ${CarillonError.from(error).message}`);
    }
  }
}
