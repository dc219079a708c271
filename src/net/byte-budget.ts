import type { IncomingMessage } from "node:http";
import { CarillonError } from "../errors.js";
import { addressKey } from "./ip-address.js";

/** Milliseconds after which a refused caller is told to try again. */
const RETRY_DELAY = 1_000;

/** Holder of bytes: an address and a key. */
export interface ByteHolder {
  /** As `ipAddress` writes it; "" where it is unknown. An IPv6 network of 64 bits counts as one address. */
  readonly address: string;
  /** Names the caller's key or certificate on this node; undefined for callers without one. */
  readonly key?: string | undefined;
}

/**
 * Opens a lease for what an HTTP request holds.
 * @param key - names the caller's key; undefined while the caller is unknown
 */
export type OpenRequestLease = (request: IncomingMessage, key: string | undefined) => ByteLease;

/** Why bytes were refused: the node, all callers without a key, the caller's address or its key hold too much. */
export type ByteRefusal = "node" | "keyless" | "address" | "key";

/** Part of the limit that callers without a key may hold together: however many they are, backends keep the rest. */
const KEYLESS_PART = 1 / 2;

/**
 * Bounds the bytes that all ports of a node have received, or inflated, and not yet handed to whoever works on them.
 *
 * No address and no key may hold more than what is still free for all: one alone gets half of the limit, two get a third
 * each, and there is always something left for the next. Callers without a key share half of the limit by the same rule, so
 * that they cannot keep out backends. (Source of the rule: Choudhury and Hahne, "Dynamic queue length
 * thresholds for shared-memory packet switches", 1998.) All operations take constant time.
 */
export class ByteBudget {
  readonly #limit: number;
  readonly #shares = { address: new ByteShares(), key: new ByteShares() };
  readonly #refusals: Record<ByteRefusal, number> = { node: 0, keyless: 0, address: 0, key: 0 };
  #used = 0;
  /** Bytes held by callers without a key. */
  #keyless = 0;

  /** @param limit - bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that are held now. */
  get used(): number {
    return this.#used;
  }

  /** How often bytes were refused since the node started. */
  get refusals(): Readonly<Record<ByteRefusal, number>> {
    return this.#refusals;
  }

  /** Begins to count what one request, message or connection holds. It holds nothing yet. */
  open({ address, key }: ByteHolder): ByteLease {
    return new ByteLease(this, addressKey(address), key);
  }

  /** For leases. @returns why the bytes are refused, and nothing has changed; undefined where they are granted */
  take(bytes: number, address: string, key: string | undefined): ByteRefusal | undefined {
    // Others may have come since, and shares have become smaller: that refuses nothing where nothing is asked for.
    if (bytes === 0) return undefined;
    const left = this.#limit - this.#used - bytes;
    const keyless = key === undefined ? this.#keyless + bytes : 0;
    const free = key === undefined ? Math.min(left, this.#limit * KEYLESS_PART - keyless) : left;
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

  /** For leases: gives back bytes that take has granted. */
  give(bytes: number, address: string, key: string | undefined): void {
    this.#used -= bytes;
    this.#shares.address.set(address, this.#shares.address.held(address) - bytes);
    if (key === undefined) this.#keyless -= bytes;
    else this.#shares.key.set(key, this.#shares.key.held(key) - bytes);
  }

  /** For leases: counts a refusal. */
  countRefusal(refusal: ByteRefusal): void {
    this.#refusals[refusal] += 1;
  }
}

/** Bytes of a budget that one holder has. Every way out of its use must end with `release`. */
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

  /** Bytes that it holds now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether nothing more can be held, as its use has ended. */
  get released(): boolean {
    return this.#released;
  }

  /** Holds more bytes. @returns false, and nothing has changed, where that is too much, or it was released */
  tryTake(bytes: number): boolean {
    const refusal = this.#take(bytes);
    if (refusal === undefined) return !this.#released;
    this.#budget.countRefusal(refusal);
    return false;
  }

  /** The same for bytes that were refused before: they are not counted as refused again. */
  retryTake(bytes: number): boolean {
    return this.#take(bytes) === undefined && !this.#released;
  }

  /** The same. @throws CarillonError resource_exhausted, with the time after which to try again */
  take(bytes: number): void {
    if (!this.tryTake(bytes)) throw createBudgetRefusal();
  }

  #take(bytes: number): ByteRefusal | undefined {
    if (this.#released) return undefined;
    const refusal = this.#budget.take(bytes, this.#address, this.#key);
    if (refusal === undefined) this.#bytes += bytes;
    return refusal;
  }

  /** Gives back some of the bytes that it holds. */
  give(bytes: number): void {
    const given = Math.min(bytes, this.#bytes);
    if (given === 0) return;
    this.#bytes -= given;
    this.#budget.give(given, this.#address, this.#key);
  }

  /** Gives everything back and takes nothing more. Calling it again does nothing. */
  release(): void {
    this.#released = true;
    this.give(this.#bytes);
  }
}

/** Creates the error for a request or connection that the budget has no room for. */
export function createBudgetRefusal(): CarillonError {
  const message = "this node is receiving as much as it can from you, or from all: try again later (limits.receiving)";
  return new CarillonError("resource_exhausted", message, { retryDelay: RETRY_DELAY });
}

/** Holders of nothing that are remembered: a caller that comes again is the rule. */
const MOST_IDLE_HOLDERS = 1_000;

/** Bytes by holder. */
class ByteShares {
  readonly #held = new Map<string, number>();

  held(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }

  set(holder: string, bytes: number): void {
    if (bytes > 0 || this.#held.size <= MOST_IDLE_HOLDERS) this.#held.set(holder, bytes);
    else this.#held.delete(holder);
  }
}
