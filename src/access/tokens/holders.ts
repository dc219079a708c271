import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Store } from "../../store/store.js";

const PREFIX = "holders/";

/** Time between two attempts to watch a store that cannot be reached, in milliseconds. */
const RETRY_WAIT = 1_000;

export interface HoldersOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** How long the others may hear nothing of a holder before it is taken for dead, in milliseconds. */
  readonly silence: number;
  /** How long a holder is remembered that the store no longer has, in milliseconds. */
  readonly memory: number;
}

interface Sight {
  /** Undefined: the store has no entry of the holder. */
  readonly value: string | undefined;
  /** When this node first saw that value, by its monotonic clock. */
  readonly since: number;
}

/** The store's key of a holder's sign of life. Its value changes with each one. */
export function holderKey(holder: string): string {
  return PREFIX + holder;
}

/**
 * Whether those who hold something still live, as far as this node has seen: a holder is dead when its entry has been the
 * same for as long as its silence may last. Only this node's monotonic clock counts, so that it does not matter what
 * time another node, or the store, takes it to be.
 */
export class Holders {
  readonly #options: HoldersOptions;
  readonly #seen = new Map<string, Sight>();
  #unwatch: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;

  constructor(options: HoldersOptions) {
    this.#options = options;
  }

  /** Begins to watch all holders, so that a dead one is known when somebody asks. A store that is away is tried again. */
  async start(): Promise<void> {
    const { clock, store } = this.#options;
    try {
      const unwatch = await store.watch(PREFIX, ({ key, value }) => {
        this.#see(key.slice(PREFIX.length), value, clock.monotonic());
      });
      if (this.#stopped) unwatch();
      else this.#unwatch = unwatch;
    } catch (cause) {
      if (CarillonError.from(cause).code !== "unavailable") throw cause;
      if (this.#stopped) return;
      this.#cancelRetry = clock.after(RETRY_WAIT, () => {
        // Without it a dead holder is noticed later, and no living one is taken for dead.
        this.start().catch(() => undefined);
      });
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#unwatch?.();
  }

  /** @throws CarillonError unavailable */
  async isDead(holder: string): Promise<boolean> {
    const { clock, silence, store } = this.#options;
    const asked = clock.monotonic();
    // The watch alone may lag; this read shows every sign of life that the store has taken.
    const entry = await store.get(holderKey(holder));
    const { since } = this.#see(holder, entry?.value, clock.monotonic());
    return asked - since >= silence;
  }

  #see(holder: string, value: string | undefined, now: number): Sight {
    const seen = this.#seen.get(holder);
    if (seen !== undefined && seen.value === value) return seen;
    const sight = { value, since: now };
    this.#seen.set(holder, sight);
    if (value === undefined) this.#forgetOld(now);
    return sight;
  }

  #forgetOld(now: number): void {
    for (const [holder, { since, value }] of this.#seen) {
      if (value === undefined && now - since >= this.#options.memory) this.#seen.delete(holder);
    }
  }
}
