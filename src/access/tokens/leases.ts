import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Store } from "../../store/store.js";
import { ignore } from "../../util/ignore.js";
import { Holders, holderKey } from "./holders.js";

/** Time without a heartbeat after which other nodes may take a node's leases, in milliseconds. */
export const LEASE_TIME = 15_000;
/**
 * Tolerated difference between nodes' clocks, in milliseconds. Leases are stored this much longer than needed, so that no
 * node treats a lease as expired that another still needs.
 */
export const CLOCK_TOLERANCE = 300_000;

/** Time between two heartbeats, in milliseconds. */
const RENEWAL = 5_000;

/** Maximum number of attempts to write an entry that changes concurrently. */
const MAX_TRIES = 3;

const HELD = "held";

export interface LeasesOptions {
  readonly store: Store;
  readonly clock: Clock;
}

/** Stored value of a lease. */
interface LeaseRecord {
  readonly holder: string;
}

interface Lease {
  readonly key: string;
  readonly revision: number;
  /** Time until which it is stored, in milliseconds since the epoch. No node within the clock tolerance needs it then. */
  readonly expires: number;
}

/**
 * Leases that one holder in the whole cluster has at a time.
 *
 * A node holds its leases while it writes heartbeats: one write every five seconds, regardless of the number of leases.
 * Other nodes may take the leases of a killed node when they have seen no heartbeat for {@link LEASE_TIME}, by their own
 * monotonic clocks. A node that cannot reach the store for longer than that loses its leases too.
 */
export class Leases {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #holder: string = randomUUID();
  /** Leases by key. */
  readonly #held = new Map<string, Lease>();
  /** Keys that this node is acquiring. */
  readonly #acquiring = new Set<string>();
  /** Leases whose release failed because the store could not be reached, and is retried. */
  readonly #releasing = new Set<Lease>();
  readonly #holders: Holders;
  /** Time at which this node started its last heartbeat, by the monotonic clock. */
  #renewed = Number.NEGATIVE_INFINITY;
  #renewals = 0;
  #revision: number | undefined;
  #renewing: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #stopped = false;

  constructor({ clock, store }: LeasesOptions) {
    this.#clock = clock;
    this.#store = store;
    this.#holders = new Holders({ store, clock, timeout: LEASE_TIME, retention: CLOCK_TOLERANCE });
  }

  /** Starts tracking the other nodes. The store must have started. */
  async start(): Promise<void> {
    await this.#holders.start();
  }

  /** Number of leases of this node. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * Acquires a lease.
   * @param key - key in the store
   * @param expires - time after which it is not needed, by this node's clock, in milliseconds since the epoch
   * @returns a function that releases the lease; undefined when it is held already, by this node or another
   * @throws CarillonError unavailable
   */
  async acquire(key: string, expires: number): Promise<(() => void) | undefined> {
    if (this.#held.has(key) || this.#acquiring.has(key)) return undefined;
    this.#acquiring.add(key);
    try {
      // The next heartbeat may be RENEWAL away. Until then, the last one must not time out on another node.
      if (this.#clock.monotonic() - this.#renewed >= RENEWAL / 2) await this.#renew();
      const storedUntil = expires + CLOCK_TOLERANCE;
      const revision = await this.#write(key, storedUntil);
      return revision === undefined ? undefined : this.#addLease({ key, revision, expires: storedUntil });
    } finally {
      this.#acquiring.delete(key);
    }
  }

  #addLease(lease: Lease): () => void {
    this.#held.set(lease.key, lease);
    this.#keepAlive();
    return () => {
      if (this.#held.get(lease.key) !== lease) return;
      this.#held.delete(lease.key);
      void this.#release(lease);
    };
  }

  /** Releases all leases, and stops the heartbeats. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#holders.stop();
    // Leases that cannot be released now end, at the latest, when other nodes consider this one dead.
    await this.#renewing?.catch(ignore);
    await Promise.all([...this.#held.values(), ...this.#releasing].map((lease) => this.#release(lease)));
    this.#held.clear();
    if (this.#revision !== undefined) await this.#store.delete(this.#holderKey).catch(ignore);
  }

  get #holderKey(): string {
    return holderKey(this.#holder);
  }

  async #write(key: string, expires: number): Promise<number | undefined> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const value = JSON.stringify({ holder: this.#holder } satisfies LeaseRecord);
      // Each attempt depends on the outcome of the one before.
      // oxlint-disable-next-line no-await-in-loop
      const revision = await this.#try(key, value, expires);
      if (revision !== undefined) return revision === HELD ? undefined : revision;
    }
    return undefined;
  }

  /** Tries once to write a lease. @returns the written revision; undefined after a concurrent change */
  async #try(key: string, value: string, expires: number): Promise<number | typeof HELD | undefined> {
    const created = await undefinedOn("already_exists", this.#store.create(key, value, { expires }));
    if (created !== undefined) return created;
    const entry = await this.#store.get(key);
    if (entry === undefined) return undefined;
    if (await this.#isHeld(JSON.parse(entry.value) as LeaseRecord)) return HELD;
    return undefinedOn("failed_precondition", this.#store.update(key, value, entry.revision, { expires }));
  }

  async #isHeld({ holder }: LeaseRecord): Promise<boolean> {
    // An entry of this node is not held: its release is pending, or the answer to its write was lost.
    return holder !== this.#holder && !(await this.#holders.isDead(holder));
  }

  /** Writes heartbeats and retries releases while there are leases, with one timer for all. */
  #keepAlive(): void {
    if (this.#stopped || this.#cancelTimer !== undefined) return;
    this.#cancelTimer = this.#clock.after(RENEWAL, () => {
      this.#cancelTimer = undefined;
      for (const { expires, key } of this.#held.values()) if (expires <= this.#clock.now()) this.#held.delete(key);
      for (const lease of this.#releasing) void this.#release(lease);
      if (this.#held.size + this.#releasing.size === 0) return;
      // A failed heartbeat is repeated at the next interval.
      this.#renew().catch(ignore);
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
    const startedAt = this.#clock.monotonic();
    const until = this.#clock.now() + LEASE_TIME + CLOCK_TOLERANCE;
    this.#renewals += 1;
    const value = String(this.#renewals);
    if (this.#revision !== undefined) {
      const update = this.#store.update(this.#holderKey, value, this.#revision, { expires: until });
      this.#revision = await undefinedOn("failed_precondition", update);
    }
    this.#revision ??= await undefinedOn(
      "already_exists",
      this.#store.create(this.#holderKey, value, { expires: until }),
    );
    if (this.#revision === undefined) {
      // The answer to an earlier write was lost. Only this node writes the entry.
      const { revision } = (await this.#store.get(this.#holderKey)) ?? { revision: 0 };
      this.#revision = await this.#store.update(this.#holderKey, value, revision, { expires: until });
    }
    this.#renewed = startedAt;
  }

  /** Never rejects. */
  async #release(lease: Lease): Promise<void> {
    this.#releasing.delete(lease);
    if (lease.expires <= this.#clock.now()) return;
    try {
      // failed_precondition: another node has acquired it, because it considered this one dead.
      await undefinedOn("failed_precondition", this.#store.delete(lease.key, lease.revision));
    } catch {
      this.#releasing.add(lease);
      this.#keepAlive();
    }
  }
}

async function undefinedOn<T>(code: CarillonError["code"], result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof CarillonError && error.code === code) return undefined;
    throw error;
  }
}
