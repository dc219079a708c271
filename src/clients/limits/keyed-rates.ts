import type { Clock } from "../../core/ports.js";
import { TokenBucket } from "./token-bucket.js";

/**
 * How many keys are remembered. A bucket is full again after a second, and then as good as forgotten: only who comes from
 * more addresses than this within one second makes the oldest be forgotten too early, and a node does not take so many
 * handshakes in a second.
 */
const MAX_KEYS = 65_536;

/** The same rate for each of many keys, in bounded memory. */
export class KeyedRates {
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #maxKeys: number;
  /** The key that was used longest ago comes first. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(perSecond: number, clock: Clock, maxKeys = MAX_KEYS) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#maxKeys = maxKeys;
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one of the key's. @returns 0, or how many milliseconds the key has to wait for it */
  take(key: string): number {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#perSecond, this.#clock);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxKeys) this.#forgetOldest();
    return bucket.take() ? 0 : bucket.wait();
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
