import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Store } from "../../store/store.js";
import { Holders, holderKey } from "./holders.js";

/** How long a node may show no sign of life before its leases are free, in milliseconds. */
export const LEASE_TIME = 15_000;
/**
 * How much the clocks of nodes may differ before one of them takes a lease for expired that another still needs, in
 * milliseconds: so much longer than they are needed leases are kept.
 */
export const CLOCK_TOLERANCE = 300_000;

/** How often a node says that it is alive. */
const RENEWAL = 5_000;

/** Tries to get at an entry that comes and goes meanwhile. */
const MAX_TRIES = 3;

const HELD = "held";

export interface LeasesOptions {
  readonly store: Store;
  readonly clock: Clock;
}

/** What is kept of a lease. */
interface Held {
  readonly holder: string;
}

interface Lease {
  readonly key: string;
  readonly revision: number;
  /** When nobody can want it any more, whatever their clock says. */
  readonly expires: number;
}

/**
 * Things that one holder has at a time, in the whole cluster.
 *
 * A node's leases live as long as the node shows signs of life, which one timer writes: one write each five seconds,
 * however many tokens are held. A node that was killed shows none, and what it held is free when the others have seen none
 * for {@link LEASE_TIME}, by their own monotonic clocks. A node that cannot reach the store for longer loses its leases in
 * the eyes of the others.
 */
export class Leases {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #holder: string = randomUUID();
  /** By key. */
  readonly #held = new Map<string, Lease>();
  /** Keys that this node is trying to get. */
  readonly #taking = new Set<string>();
  /** To be given back again: the store could not be reached. */
  readonly #returning = new Set<Lease>();
  readonly #holders: Holders;
  /** When this node began to write its last sign of life, by the monotonic clock. */
  #renewed = Number.NEGATIVE_INFINITY;
  #renewals = 0;
  #revision: number | undefined;
  #renewing: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #stopped = false;

  constructor({ clock, store }: LeasesOptions) {
    this.#clock = clock;
    this.#store = store;
    this.#holders = new Holders({ store, clock, silence: LEASE_TIME, memory: CLOCK_TOLERANCE });
  }

  /** Begins to see which nodes live. The store has started. */
  async start(): Promise<void> {
    await this.#holders.start();
  }

  /** Leases that this node holds. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * @param key - of the store
   * @param expires - when nobody can want it any more by this node's clock, in milliseconds since the epoch
   * @returns gives it back; undefined: somebody else has it
   * @throws CarillonError unavailable
   */
  async take(key: string, expires: number): Promise<(() => void) | undefined> {
    if (this.#held.has(key) || this.#taking.has(key)) return undefined;
    this.#taking.add(key);
    try {
      // The next renewal is up to RENEWAL away, and a look of others that saw the last one must not come first.
      if (this.#clock.monotonic() - this.#renewed >= RENEWAL / 2) await this.#renew();
      const kept = expires + CLOCK_TOLERANCE;
      const revision = await this.#write(key, kept);
      return revision === undefined ? undefined : this.#hold({ key, revision, expires: kept });
    } finally {
      this.#taking.delete(key);
    }
  }

  #hold(lease: Lease): () => void {
    this.#held.set(lease.key, lease);
    this.#keepAlive();
    return () => {
      if (this.#held.get(lease.key) !== lease) return;
      this.#held.delete(lease.key);
      void this.#giveBack(lease);
    };
  }

  /** Lets others have everything at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#holders.stop();
    // What cannot be written now runs out by itself, at the latest when this node is taken for dead.
    await this.#renewing?.catch(() => undefined);
    await Promise.all([...this.#held.values(), ...this.#returning].map((lease) => this.#giveBack(lease)));
    this.#held.clear();
    if (this.#revision !== undefined) await this.#store.delete(this.#holderKey).catch(() => undefined);
  }

  get #holderKey(): string {
    return holderKey(this.#holder);
  }

  async #write(key: string, expires: number): Promise<number | undefined> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const value = JSON.stringify({ holder: this.#holder } satisfies Held);
      // Each try needs to know how the one before went.
      // oxlint-disable-next-line no-await-in-loop
      const revision = await this.#try(key, value, expires);
      if (revision !== undefined) return revision === HELD ? undefined : revision;
    }
    return undefined;
  }

  /** @returns the revision of what has been written; undefined: it has changed meanwhile */
  async #try(key: string, value: string, expires: number): Promise<number | typeof HELD | undefined> {
    const created = await orUndefined("already_exists", this.#store.create(key, value, { expires }));
    if (created !== undefined) return created;
    const entry = await this.#store.get(key);
    if (entry === undefined) return undefined;
    if (await this.#isHeld(JSON.parse(entry.value) as Held)) return HELD;
    return orUndefined("failed_precondition", this.#store.update(key, value, entry.revision, { expires }));
  }

  async #isHeld({ holder }: Held): Promise<boolean> {
    // Of this node's own, left behind: being given back just now, or written when the answer was lost.
    return holder !== this.#holder && !(await this.#holders.isDead(holder));
  }

  /** One timer while something is held. */
  #keepAlive(): void {
    if (this.#stopped || this.#cancelTimer !== undefined) return;
    this.#cancelTimer = this.#clock.after(RENEWAL, () => {
      this.#cancelTimer = undefined;
      for (const { expires, key } of this.#held.values()) if (expires <= this.#clock.now()) this.#held.delete(key);
      for (const lease of this.#returning) void this.#giveBack(lease);
      if (this.#held.size + this.#returning.size === 0) return;
      // What fails is tried again at the next time.
      this.#renew().catch(() => undefined);
      this.#keepAlive();
    });
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#renewNow().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewNow(): Promise<void> {
    const begun = this.#clock.monotonic();
    const until = this.#clock.now() + LEASE_TIME + CLOCK_TOLERANCE;
    this.#renewals += 1;
    const value = String(this.#renewals);
    if (this.#revision !== undefined) {
      const update = this.#store.update(this.#holderKey, value, this.#revision, { expires: until });
      this.#revision = await orUndefined("failed_precondition", update);
    }
    this.#revision ??= await orUndefined(
      "already_exists",
      this.#store.create(this.#holderKey, value, { expires: until }),
    );
    if (this.#revision === undefined) {
      // The answer to an earlier write was lost. Nobody else writes it.
      const { revision } = (await this.#store.get(this.#holderKey)) ?? { revision: 0 };
      this.#revision = await this.#store.update(this.#holderKey, value, revision, { expires: until });
    }
    this.#renewed = begun;
  }

  /** Never rejects. */
  async #giveBack(lease: Lease): Promise<void> {
    this.#returning.delete(lease);
    if (lease.expires <= this.#clock.now()) return;
    try {
      // Changed: somebody has taken it when this node was thought dead.
      await orUndefined("failed_precondition", this.#store.delete(lease.key, lease.revision));
    } catch {
      this.#returning.add(lease);
      this.#keepAlive();
    }
  }
}

async function orUndefined<T>(code: CarillonError["code"], result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof CarillonError && error.code === code) return undefined;
    throw error;
  }
}
