import type { KvEntry } from "nats";
import type { Clock } from "../../core/ports.js";
import { StoreExpiries } from "../../store/expiries.js";
import type { StoreChange } from "../../store/store.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { Bucket } from "./bucket.js";
import {
  decodeEntry,
  describeUnreadable,
  dropExpired,
  toBucketFilter,
  toStoreKey,
  UNREADABLE,
} from "./key-value-entry.js";

export interface BucketWatchOptions {
  readonly prefix: string;
  readonly clock: Clock;
  readonly onChange: (change: StoreChange) => void;
  /** Called for damaged entries. Their last reported value stays valid. */
  readonly onError: (message: string) => void;
  /** Called when NATS has ended the watch; it must be attached again. */
  readonly onEnd: () => void;
}

/**
 * A watch that outlives connections. Each connection delivers all entries again: known ones are not reported again, and
 * missing ones are reported as removed.
 */
export class BucketWatch {
  readonly #options: BucketWatchOptions;
  /** Revisions of the reported entries by key. */
  readonly #known = new Map<string, number>();
  readonly #expiries: StoreExpiries;
  readonly #ready = withResolvers<void>();
  #end: (() => void) | undefined;
  #received = 0;
  /** Creation time of the watched bucket. */
  #created = "";
  /** Number of attachments so far; late entries of an earlier one are ignored. */
  #attachment = 0;

  constructor(options: BucketWatchOptions) {
    this.#options = options;
    this.#expiries = new StoreExpiries(options.clock, (key) => {
      this.#remove(key);
    });
  }

  /** Number of entries received. */
  get received(): number {
    return this.#received;
  }

  /** Resolves when all existing entries have been reported. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  close(): void {
    this.#attachment += 1;
    this.#end?.();
    this.#end = undefined;
    this.#expiries.clear();
  }

  /** @throws errors of the library */
  async attach(bucket: Bucket): Promise<void> {
    const { created } = bucket;
    this.#end?.();
    this.#end = undefined;
    this.#attachment += 1;
    const attachment = this.#attachment;
    // Entries of a recreated bucket are all reported again, because no entry has revision 0.
    if (created !== this.#created) for (const key of this.#known.keys()) this.#known.set(key, 0);
    this.#created = created;
    const { onEnd, prefix } = this.#options;
    const seenKeys = new Set<string>();
    const end = await bucket.follow({
      filter: toBucketFilter(prefix),
      onEntry: (entry) => {
        if (attachment !== this.#attachment) return;
        this.#received += 1;
        seenKeys.add(toStoreKey(entry));
        this.#onEntry(entry);
      },
      onComplete: () => {
        if (attachment === this.#attachment) this.#onComplete(seenKeys);
      },
      onEnd: () => {
        if (attachment === this.#attachment) onEnd();
      },
    });
    if (attachment === this.#attachment) this.#end = end;
    else end();
  }

  #onEntry(entry: KvEntry): void {
    const { clock, onChange, onError, prefix } = this.#options;
    const key = toStoreKey(entry);
    if (!key.startsWith(prefix)) return;
    const stored = dropExpired(decodeEntry(entry), clock.now());
    if (stored === UNREADABLE) {
      onError(describeUnreadable(key));
    } else if (stored === undefined) {
      this.#remove(key);
    } else if (this.#known.get(key) !== stored.revision) {
      this.#known.set(key, stored.revision);
      this.#expiries.set(key, stored.expires);
      onChange({ key, value: stored.value });
    }
  }

  #onComplete(seenKeys: ReadonlySet<string>): void {
    for (const key of this.#known.keys()) if (!seenKeys.has(key)) this.#remove(key);
    this.#ready.resolve();
  }

  #remove(key: string): void {
    this.#expiries.set(key, undefined);
    if (this.#known.delete(key)) this.#options.onChange({ key, value: undefined });
  }
}
