import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { checkKey, checkPrefix, checkValue } from "../../store/limits.js";
import type { Store, StoreChange, StoreEntry, WriteOptions } from "../../store/store.js";
import { alreadyExists, hasChanged } from "../../store/store-errors.js";
import { byKey } from "../../store/table.js";
import { guardWatcher } from "../../store/watchers.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { describeConnectFailure } from "../link/connect.js";
import type { NatsEvents } from "../link/link.js";
import type { NatsOptions } from "../link/options.js";
import { type Bucket, isConflict } from "./bucket.js";
import { BucketLink } from "./bucket-link.js";
import { bucketFilter, bucketKey, bucketValue, UNREADABLE, unlessExpired, unreadableText } from "./key-value-entry.js";
import { Sweep } from "./key-value-sweep.js";
import { BucketWatch } from "./key-value-watch.js";

/** Time between two attempts to watch while there is a connection, in milliseconds. */
const RETRY_WAIT = 1_000;
/** How often a write is tried that others' writes of the same key get in the way of. */
const ATTEMPTS = 10;

export interface NatsStoreOptions {
  /** Letters, digits, `_` and `-`. */
  readonly bucket: string;
  /** Copies of the data in a NATS cluster, 1 to 5, where the bucket has to be made. */
  readonly replicas: number;
  readonly nats: NatsOptions;
  readonly clock: Clock;
  /** Up is when the bucket can be used. */
  readonly events: NatsEvents;
}

/**
 * Entries in a JetStream key-value bucket, shared by all nodes. Reads ask the server that leads the bucket, so they show
 * every write that any node has had an answer to. When an entry expires, each node goes by its own clock.
 */
export class NatsStore implements Store {
  readonly shared = true;
  readonly #options: NatsStoreOptions;
  readonly #link: BucketLink;
  readonly #watches = new Set<BucketWatch>();
  readonly #retries = new Map<BucketWatch, () => void>();
  readonly #sweep: Sweep;

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
    this.#sweep = new Sweep(
      clock,
      () => this.#link.bucket,
      (error) => {
        events.onError(`tidying store bucket ${JSON.stringify(bucket)} failed: ${describeConnectFailure(error)}`);
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
    // Taken for absent, a used token could be used again.
    if (entry === UNREADABLE) throw new CarillonError("internal", unreadableText(key));
    return entry && { key, value: entry.value, revision: entry.revision };
  }

  async list(prefix: string): Promise<readonly StoreEntry[]> {
    checkPrefix(prefix);
    const found = await this.#link.use((bucket) => bucket.read(bucketFilter(prefix)));
    const now = this.#now;
    const entries: StoreEntry[] = [];
    for (const [key, stored] of found) {
      const entry = unlessExpired(stored, now);
      if (!key.startsWith(prefix) || entry === undefined || entry === UNREADABLE) continue;
      entries.push({ key, value: entry.value, revision: entry.revision });
    }
    return entries.toSorted(byKey);
  }

  async create(key: string, value: string, { expires }: WriteOptions = {}): Promise<number> {
    checkKey(key);
    checkValue(key, value);
    return this.#link.use(async (bucket) => {
      // At first as if there had never been one: mostly so, and one round trip.
      let latest = 0;
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const revision = await this.#put(bucket, key, value, latest, expires);
        if (revision !== undefined) return revision;
        const found = await bucket.find(key, this.#now);
        if (found.entry !== undefined) throw alreadyExists(key);
        latest = found.revision;
      }
      throw tooManyAtOnce(key);
    });
  }

  async update(key: string, value: string, revision: number, { expires }: WriteOptions = {}): Promise<number> {
    checkKey(key);
    checkValue(key, value);
    return this.#link.use(async (bucket) => {
      // NATS does not know that an entry has expired.
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
        const deleted = await unlessConflict(bucket.kv.delete(bucketKey(key), { previousSeq: latest }));
        if (deleted !== CONFLICT) {
          this.#sweep.noteDeleted(key);
          return;
        }
      }
      throw tooManyAtOnce(key);
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

  /** Waits for all that there is, however much, for as long as something comes. @throws CarillonError unavailable */
  async #read(watch: BucketWatch): Promise<void> {
    const { clock, nats } = this.#options;
    for (let heard = -1; heard !== watch.heard; ) {
      heard = watch.heard;
      const late = withResolvers<boolean>();
      const cancel = clock.after(nats.confirmTimeout, () => late.resolve(false));
      const isRead = await Promise.race([watch.ready.then(() => true), late.promise]);
      cancel();
      if (isRead) return;
    }
    throw new CarillonError("unavailable", `nothing was heard of the store for ${nats.confirmTimeout} ms`);
  }

  /** @returns the new revision; undefined when the latest revision is another */
  async #put(
    bucket: Bucket,
    key: string,
    value: string,
    latest: number,
    expires: number | undefined,
  ): Promise<number | undefined> {
    const put = bucket.kv.put(bucketKey(key), bucketValue(value, expires), { previousSeq: latest });
    const revision = await unlessConflict(put);
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

  /** Where the connection is lost, opening the bucket again comes first. */
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

const CONFLICT = Symbol("somebody else has written meanwhile");

async function unlessConflict<T>(write: Promise<T>): Promise<T | typeof CONFLICT> {
  try {
    return await write;
  } catch (error) {
    if (isConflict(error)) return CONFLICT;
    throw error;
  }
}

function tooManyAtOnce(key: string): CarillonError {
  return new CarillonError("unavailable", `store entry ${key}: too many concurrent writes`);
}
