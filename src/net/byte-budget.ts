import type { IncomingMessage } from "node:http";
import { CarillonError } from "../errors.js";
import { toAddressKey } from "./ip-address.js";

/** Retry delay of a refusal, in milliseconds. */
const RETRY_DELAY = 1_000;

/** Holder of bytes: an address and a key. */
export interface ByteHolder {
  /** In the form of `normalizeIpAddress`; "" when unknown. An IPv6 network of 64 bits counts as one address. */
  readonly address: string;
  /** Identifies the caller's key or certificate on this node; undefined for callers without one. */
  readonly key?: string | undefined;
}

/**
 * Opens a lease for the bytes that an HTTP request holds.
 * @param key - identifies the caller's key; undefined while the caller is unknown
 */
export type OpenRequestLease = (request: IncomingMessage, key: string | undefined) => ByteLease;

/** Holder of too many bytes: the node, all callers without a key together, the caller's address, or its key. */
export type ByteRefusal = "node" | "keyless" | "address" | "key";

/** Fraction of the limit that callers without a key may hold together, so that backends always have the rest. */
const KEYLESS_FRACTION = 1 / 2;

/**
 * Bounds the bytes that all ports of a node have received or inflated and not yet processed.
 *
 * No address and no key may hold more than the bytes that are still free. A single one gets half of the limit, two get a
 * third each, and some bytes are always free for the next. Callers without a key share half of the limit by the same rule,
 * so that they cannot starve backends. Source of the rule: Choudhury and Hahne, "Dynamic queue length thresholds for
 * shared-memory packet switches", 1998. All operations take constant time.
 */
export class ByteBudget {
  #limit: number;
  readonly #shares = { address: new ByteShares(), key: new ByteShares() };
  readonly #refusals: Record<ByteRefusal, number> = { node: 0, keyless: 0, address: 0, key: 0 };
  #used = 0;
  /** Bytes held by callers without a key. */
  #keyless = 0;

  /** @param limit - in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Changes the limit. Bytes that are held stay granted. */
  changeLimit(limit: number): void {
    this.#limit = limit;
  }

  /** Number of bytes currently held. */
  get used(): number {
    return this.#used;
  }

  /** Number of refusals since the node started. */
  get refusals(): Readonly<Record<ByteRefusal, number>> {
    return this.#refusals;
  }

  /** Opens an empty lease for one request, message or connection. */
  open({ address, key }: ByteHolder): ByteLease {
    return new ByteLease(this, toAddressKey(address), key);
  }

  /**
   * Grants bytes to a lease.
   * @returns undefined when the bytes are granted; otherwise the reason for the refusal, and nothing has changed
   */
  take(bytes: number, address: string, key: string | undefined): ByteRefusal | undefined {
    // Shares shrink when other holders arrive, so a holder may be above its share. Zero bytes are granted even then.
    if (bytes === 0) return undefined;
    const left = this.#limit - this.#used - bytes;
    const keyless = key === undefined ? this.#keyless + bytes : 0;
    const free = key === undefined ? Math.min(left, this.#limit * KEYLESS_FRACTION - keyless) : left;
    const byAddress = this.#shares.address.held(address) + bytes;
    const byKey = key === undefined ? 0 : this.#shares.key.held(key) + bytes;
    if (left < 0) return "node";
    if (free < 0) return "keyless";
    if (byAddress > free) return "address";
    if (byKey > free) return "key";
    this.#used += bytes;
    this.#shares.address.set(address, byAddress);
    if (key === undefined) this.#keyless = keyless;
    else this.#shares.key.set(key, byKey);
    return undefined;
  }

  /** Returns bytes of a lease to the budget. */
  give(bytes: number, address: string, key: string | undefined): void {
    this.#used -= bytes;
    this.#shares.address.set(address, this.#shares.address.held(address) - bytes);
    if (key === undefined) this.#keyless -= bytes;
    else this.#shares.key.set(key, this.#shares.key.held(key) - bytes);
  }

  /** Counts a refusal of a lease. */
  countRefusal(refusal: ByteRefusal): void {
    this.#refusals[refusal] += 1;
  }
}

/** Bytes of a budget that one holder has. Every code path of the holder must end with `release`. */
export class ByteLease {
  readonly #budget: ByteBudget;
  readonly #address: string;
  readonly #key: string | undefined;
  #bytes = 0;
  #released = false;

  constructor(budget: ByteBudget, address: string, key: string | undefined) {
    this.#budget = budget;
    this.#address = address;
    this.#key = key;
  }

  /** Number of bytes currently held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True after `release`: the lease takes no further bytes. */
  get released(): boolean {
    return this.#released;
  }

  /**
   * Takes more bytes.
   * @returns false, and nothing has changed, when the budget refuses them or the lease was released
   */
  tryTake(bytes: number): boolean {
    const refusal = this.#take(bytes);
    if (refusal === undefined) return !this.#released;
    this.#budget.countRefusal(refusal);
    return false;
  }

  /** Takes bytes like `tryTake`, after an earlier refusal: a further refusal is not counted. */
  retryTake(bytes: number): boolean {
    return this.#take(bytes) === undefined && !this.#released;
  }

  /**
   * Takes more bytes.
   * @throws CarillonError resource_exhausted, with a retry delay
   */
  take(bytes: number): void {
    if (!this.tryTake(bytes)) throw createBudgetRefusal();
  }

  #take(bytes: number): ByteRefusal | undefined {
    if (this.#released) return undefined;
    const refusal = this.#budget.take(bytes, this.#address, this.#key);
    if (refusal === undefined) this.#bytes += bytes;
    return refusal;
  }

  /** Returns at most the held bytes to the budget. */
  give(bytes: number): void {
    const returned = Math.min(bytes, this.#bytes);
    if (returned === 0) return;
    this.#bytes -= returned;
    this.#budget.give(returned, this.#address, this.#key);
  }

  /** Returns all bytes and closes the lease. Further calls do nothing. */
  release(): void {
    this.#released = true;
    this.give(this.#bytes);
  }
}

/** Creates the error for a request or connection that exceeds the budget. */
export function createBudgetRefusal(): CarillonError {
  const message = "too much data in transit, from you or in total: try again later (limits.receiving)";
  return new CarillonError("resource_exhausted", message, { retryDelay: RETRY_DELAY });
}

/** Maximum number of holders without bytes whose map entries are kept, because most callers return. */
const MAX_IDLE_HOLDERS = 1_000;

/** Number of bytes by holder. */
class ByteShares {
  readonly #held = new Map<string, number>();

  held(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }

  set(holder: string, bytes: number): void {
    if (bytes > 0 || this.#held.size <= MAX_IDLE_HOLDERS) this.#held.set(holder, bytes);
    else this.#held.delete(holder);
  }
}
