import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { checkKey, checkPrefix, checkValue } from "../../store/limits.js";
import type { Store, StoreChange, StoreEntry, WriteOptions } from "../../store/store.js";
import { alreadyExists, hasChanged } from "../../store/store-errors.js";
import { compareKeys } from "../../store/table.js";
import { guardWatcher } from "../../store/watchers.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { describeConnectFailure } from "../link/connect.js";
import type { NatsEvents } from "../link/link.js";
import type { NatsOptions } from "../link/options.js";
import { type Bucket, isConflict } from "./bucket.js";
import { BucketLink } from "./bucket-link.js";
import {
  describeUnreadable,
  dropExpired,
  encodeValue,
  toBucketFilter,
  toBucketKey,
  UNREADABLE,
} from "./key-value-entry.js";
import { ExpirySweep } from "./key-value-sweep.js";
import { BucketWatch } from "./key-value-watch.js";

/** Pause between two attempts to watch while connected, in milliseconds. */
const RETRY_WAIT = 1_000;
/** Maximum number of attempts of a write that conflicts with concurrent writes. */
const ATTEMPTS = 10;

export interface NatsStoreOptions {
  /** Letters, digits, `_` and `-`. */
  readonly bucket: string;
  /** Number of copies in a NATS cluster when the bucket is created, 1 to 5. */
  readonly replicas: number;
  readonly nats: NatsOptions;
  readonly clock: Clock;
  /** Events of the store; up means that the bucket is open. */
  readonly events: NatsEvents;
}

/**
 * Store in a JetStream key-value bucket, shared by all nodes. Reads go to the bucket's leader, so they see every
 * acknowledged write of any node. Each node expires entries by its own clock.
 */
export class NatsStore implements Store {
  readonly shared = true;
  readonly #options: NatsStoreOptions;
  readonly #link: BucketLink;
  readonly #watches = new Set<BucketWatch>();
  readonly #retries = new Map<BucketWatch, () => void>();
  readonly #sweep: ExpirySweep;

  constructor(options: NatsStoreOptions) {
    this.#options = options;
    const { bucket, clock, events, nats, replicas } = options;
    this.#link = new BucketLink({
      bucket: { name: bucket, replicas, timeout: nats.confirmTimeout },
      nats,
      clock,
      events,
      onOpened: (opened) => {
        for (const watch of this.#watches) this.#attach(watch, opened);
      },
    });
    this.#sweep = new ExpirySweep(
      clock,
      () => this.#link.bucket,
      (error) => {
        events.onError(`sweeping store bucket ${JSON.stringify(bucket)} failed: ${describeConnectFailure(error)}`);
      },
    );
  }

  get up(): boolean {
    return this.#link.bucket !== undefined;
  }

  async start(): Promise<void> {
    await this.#link.start();
    this.#sweep.start();
  }

  async stop(): Promise<void> {
    this.#sweep.stop();
    for (const watch of this.#watches) this.#end(watch);
    await this.#link.stop();
  }

  async get(key: string): Promise<StoreEntry | undefined> {
    checkKey(key);
    const { entry } = await this.#link.use((bucket) => bucket.find(key, this.#now));
    // Treating a damaged entry as missing could make a used token valid again.
    if (entry === UNREADABLE) throw new CarillonError("internal", describeUnreadable(key));
    return entry && { key, value: entry.value, revision: entry.revision };
  }

  async list(prefix: string): Promise<readonly StoreEntry[]> {
    checkPrefix(prefix);
    const found = await this.#link.use((bucket) => bucket.read(toBucketFilter(prefix)));
    const now = this.#now;
    const entries: StoreEntry[] = [];
    for (const [key, stored] of found) {
      const entry = dropExpired(stored, now);
      if (!key.startsWith(prefix) || entry === undefined || entry === UNREADABLE) continue;
      entries.push({ key, value: entry.value, revision: entry.revision });
    }
    return entries.toSorted(compareKeys);
  }

  async create(key: string, value: string, { expires }: WriteOptions = {}): Promise<number> {
    checkKey(key);
    checkValue(key, value);
    return this.#link.use(async (bucket) => {
      // The first attempt assumes a new key, which is the usual case and takes one round trip.
      let latest = 0;
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const revision = await this.#put(bucket, key, value, latest, expires);
        if (revision !== undefined) return revision;
        const found = await bucket.find(key, this.#now);
        if (found.entry !== undefined) throw alreadyExists(key);
        latest = found.revision;
      }
      throw createConflictError(key);
    });
  }

  async update(key: string, value: string, revision: number, { expires }: WriteOptions = {}): Promise<number> {
    checkKey(key);
    checkValue(key, value);
    return this.#link.use(async (bucket) => {
      // NATS does not know about expiry.
      const { entry } = await bucket.find(key, this.#now);
      if (entry === UNREADABLE || entry?.revision !== revision) throw hasChanged(key);
      const written = await this.#put(bucket, key, value, revision, expires);
      if (written === undefined) throw hasChanged(key);
      return written;
    });
  }

  async delete(key: string, revision?: number): Promise<void> {
    checkKey(key);
    await this.#link.use(async (bucket) => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const { entry, revision: latest } = await bucket.find(key, this.#now);
        if (revision !== undefined && (entry === undefined || latest !== revision)) throw hasChanged(key);
        if (entry === undefined) return;
        const deleted = await catchConflict(bucket.kv.delete(toBucketKey(key), { previousSeq: latest }));
        if (deleted !== CONFLICT) {
          this.#sweep.noteDeleted(key);
          return;
        }
      }
      throw createConflictError(key);
    });
  }

  async watch(prefix: string, onChange: (change: StoreChange) => void): Promise<() => void> {
    checkPrefix(prefix);
    const { clock, events } = this.#options;
    const watch = new BucketWatch({
      prefix,
      clock,
      onChange: guardWatcher(onChange, events.onError),
      onError: events.onError,
      onEnd: () => {
        this.#attachLater(watch);
      },
    });
    try {
      await this.#link.use(async (bucket) => {
        this.#watches.add(watch);
        await watch.attach(bucket);
      });
      await this.#read(watch);
    } catch (cause) {
      this.#end(watch);
      throw cause;
    }
    return () => {
      this.#end(watch);
    };
  }

  /**
   * Waits until all existing entries have been reported, for as long as entries keep arriving.
   * @throws CarillonError unavailable
   */
  async #read(watch: BucketWatch): Promise<void> {
    const { clock, nats } = this.#options;
    for (let received = -1; received !== watch.received; ) {
      received = watch.received;
      const late = withResolvers<boolean>();
      const cancel = clock.after(nats.confirmTimeout, () => late.resolve(false));
      const isRead = await Promise.race([watch.ready.then(() => true), late.promise]);
      cancel();
      if (isRead) return;
    }
    throw new CarillonError("unavailable", `no answer from the store for ${nats.confirmTimeout} ms`);
  }

  /** Writes a value. Returns the new revision; undefined when `latest` is not the latest revision. */
  async #put(
    bucket: Bucket,
    key: string,
    value: string,
    latest: number,
    expires: number | undefined,
  ): Promise<number | undefined> {
    const put = bucket.kv.put(toBucketKey(key), encodeValue(value, expires), { previousSeq: latest });
    const revision = await catchConflict(put);
    if (revision === CONFLICT) return undefined;
    this.#sweep.noteWritten(key, expires);
    return revision;
  }

  #attach(watch: BucketWatch, bucket: Bucket): void {
    this.#retries.get(watch)?.();
    watch.attach(bucket).catch((error: unknown) => {
      this.#options.events.onError(
        `watching store bucket ${JSON.stringify(this.#options.bucket)} failed: ${describeConnectFailure(error)}`,
      );
      this.#attachLater(watch);
    });
  }

  /** Retries to attach a watch. After a lost connection, the bucket is opened first. */
  #attachLater(watch: BucketWatch): void {
    if (!this.#watches.has(watch)) return;
    this.#retries.get(watch)?.();
    const cancel = this.#options.clock.after(RETRY_WAIT, () => {
      const { bucket } = this.#link;
      if (bucket !== undefined) this.#attach(watch, bucket);
    });
    this.#retries.set(watch, cancel);
  }

  #end(watch: BucketWatch): void {
    this.#watches.delete(watch);
    this.#retries.get(watch)?.();
    this.#retries.delete(watch);
    watch.close();
  }

  get #now(): number {
    return this.#options.clock.now();
  }
}

const CONFLICT = Symbol("concurrent write");

async function catchConflict<T>(write: Promise<T>): Promise<T | typeof CONFLICT> {
  try {
    return await write;
  } catch (error) {
    if (isConflict(error)) return CONFLICT;
    throw error;
  }
}

function createConflictError(key: string): CarillonError {
  return new CarillonError("unavailable", `store entry ${key}: too many concurrent writes`);
}
