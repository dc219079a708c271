import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Store } from "../../store/store.js";
import { ignore } from "../../util/ignore.js";

const PREFIX = "holders/";

/** Time between two attempts to watch an unreachable store, in milliseconds. */
const RETRY_WAIT = 1_000;

export interface HoldersOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Time without a heartbeat after which a holder is considered dead, in milliseconds. */
  readonly timeout: number;
  /** Time for which a holder without an entry in the store is remembered, in milliseconds. */
  readonly retention: number;
}

interface Observation {
  /** Undefined if the store has no entry for the holder. */
  readonly value: string | undefined;
  /** Time at which this node first saw the value, by its monotonic clock. */
  readonly since: number;
}

/** Store key of a holder's heartbeat. Each heartbeat changes the value. */
export function holderKey(holder: string): string {
  return PREFIX + holder;
}

/**
 * Tracks whether lease holders are alive. A holder is dead when this node has seen no change of its heartbeat for the
 * timeout. It is measured by this node's monotonic clock, so that the clocks of other nodes and of the store do not matter.
 */
export class Holders {
  readonly #options: HoldersOptions;
  readonly #observations = new Map<string, Observation>();
  #unwatch: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;

  constructor(options: HoldersOptions) {
    this.#options = options;
  }

  /** Starts watching all holders, so that a dead one is detected in time. Retries while the store is unreachable. */
  async start(): Promise<void> {
    const { clock, store } = this.#options;
    try {
      const unwatch = await store.watch(PREFIX, ({ key, value }) => {
        this.#observe(key.slice(PREFIX.length), value, clock.monotonic());
      });
      if (this.#stopped) unwatch();
      else this.#unwatch = unwatch;
    } catch (cause) {
      if (CarillonError.from(cause).code !== "unavailable") throw cause;
      if (this.#stopped) return;
      this.#cancelRetry = clock.after(RETRY_WAIT, () => {
        // Without the watch, a dead holder is detected later, but a live one is never considered dead.
        this.start().catch(ignore);
      });
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#unwatch?.();
  }

  /** Returns whether a holder is dead. @throws CarillonError unavailable */
  async isDead(holder: string): Promise<boolean> {
    const { clock, timeout: silence, store } = this.#options;
    const checkedAt = clock.monotonic();
    // The watch may lag. This read sees every heartbeat that the store has accepted.
    const entry = await store.get(holderKey(holder));
    const { since } = this.#observe(holder, entry?.value, clock.monotonic());
    return checkedAt - since >= silence;
  }

  #observe(holder: string, value: string | undefined, now: number): Observation {
    const previous = this.#observations.get(holder);
    if (previous !== undefined && previous.value === value) return previous;
    const observation = { value, since: now };
    this.#observations.set(holder, observation);
    if (value === undefined) this.#dropOld(now);
    return observation;
  }

  #dropOld(now: number): void {
    for (const [holder, { since, value }] of this.#observations) {
      if (value === undefined && now - since >= this.#options.retention) this.#observations.delete(holder);
    }
  }
}
