import type { Clock } from "../../core/ports.js";
import { TokenBucket } from "./token-bucket.js";

/**
 * Maximum number of keys kept. A bucket is full again after a second, and can then be dropped without effect. A bucket is
 * dropped earlier only if more keys are used within a second, which is more handshakes than a node can process.
 */
const MAX_KEYS = 65_536;

/** Limits each of many keys to the same rate, in bounded memory. */
export class KeyedRates {
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #maxKeys: number;
  /** Buckets by key, the least recently used first. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(perSecond: number, clock: Clock, maxKeys = MAX_KEYS) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#maxKeys = maxKeys;
  }

  /** Number of keys kept. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one from the key's bucket. @returns 0, or milliseconds to wait before the next attempt */
  take(key: string): number {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#perSecond, this.#clock);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxKeys) this.#dropOldest();
    return bucket.take() ? 0 : bucket.wait();
  }

  #dropOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
