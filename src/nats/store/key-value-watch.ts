import type { KvEntry } from "nats";
import type { Clock } from "../../core/ports.js";
import { StoreExpiries } from "../../store/expiries.js";
import type { StoreChange } from "../../store/store.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { Bucket } from "./bucket.js";
import { bucketFilter, storedEntry, storeKeyOf, UNREADABLE, unlessExpired, unreadableText } from "./key-value-entry.js";
import { follow } from "./key-value-follow.js";

export interface BucketWatchOptions {
  readonly prefix: string;
  readonly clock: Clock;
  readonly onChange: (change: StoreChange) => void;
  /** Told of entries that cannot be read; what was told of them before still holds. */
  readonly onError: (message: string) => void;
  /** NATS does not tell any more: attach again. */
  readonly onEnd: () => void;
}

/**
 * One watch over all the connections that it outlives. On each it hears everything that there is; what it knows already
 * is not told again, and what it does not hear of again is gone.
 */
export class BucketWatch {
  readonly #options: BucketWatchOptions;
  /** Revisions of what has been told. */
  readonly #known = new Map<string, number>();
  readonly #expiries: StoreExpiries;
  readonly #ready = withResolvers<void>();
  #end: (() => void) | undefined;
  #heard = 0;
  /** When the bucket was made that is watched. */
  #created = "";
  /** Counts attachments, so that a late word of an earlier one is not heard. */
  #attachment = 0;

  constructor(options: BucketWatchOptions) {
    this.#options = options;
    this.#expiries = new StoreExpiries(options.clock, (key) => {
      this.#forget(key);
    });
  }

  /** Entries that have come so far. */
  get heard(): number {
    return this.#heard;
  }

  /** Resolves when everything that there is has been told. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  close(): void {
    this.#attachment += 1;
    this.#end?.();
    this.#end = undefined;
    this.#expiries.clear();
  }

  /** @throws what the library throws */
  async attach({ created, kv }: Bucket): Promise<void> {
    this.#end?.();
    this.#end = undefined;
    this.#attachment += 1;
    const attachment = this.#attachment;
    // No entry has revision 0: all are told again.
    if (created !== this.#created) for (const key of this.#known.keys()) this.#known.set(key, 0);
    this.#created = created;
    const { onEnd, prefix } = this.#options;
    const heard = new Set<string>();
    const end = await follow({
      kv,
      filter: bucketFilter(prefix),
      onEntry: (entry) => {
        if (attachment !== this.#attachment) return;
        this.#heard += 1;
        heard.add(storeKeyOf(entry));
        this.#onEntry(entry);
      },
      onComplete: () => {
        if (attachment === this.#attachment) this.#onComplete(heard);
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
    const key = storeKeyOf(entry);
    if (!key.startsWith(prefix)) return;
    const stored = unlessExpired(storedEntry(entry), clock.now());
    if (stored === UNREADABLE) {
      onError(unreadableText(key));
    } else if (stored === undefined) {
      this.#forget(key);
    } else if (this.#known.get(key) !== stored.revision) {
      this.#known.set(key, stored.revision);
      this.#expiries.set(key, stored.expires);
      onChange({ key, value: stored.value });
    }
  }

  #onComplete(heard: ReadonlySet<string>): void {
    for (const key of this.#known.keys()) if (!heard.has(key)) this.#forget(key);
    this.#ready.resolve();
  }

  #forget(key: string): void {
    this.#expiries.set(key, undefined);
    if (this.#known.delete(key)) this.#options.onChange({ key, value: undefined });
  }
}
