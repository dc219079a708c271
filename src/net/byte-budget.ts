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

/** Why bytes were refused: the node, the caller's address or its key holds too much. */
export type ByteRefusal = "node" | "address" | "key";

/**
 * Bounds the bytes that all ports of a node have received, or inflated, and not yet handed to whoever works on them.
 *
 * No address and no key may hold more than what is still free for all: one alone gets half of the limit, two get a third
 * each, and there is always something left for the next. (Source of the rule: Choudhury and Hahne, "Dynamic queue length
 * thresholds for shared-memory packet switches", 1998.) All operations take constant time.
 */
export class ByteBudget {
  readonly #limit: number;
  readonly #shares = { address: new ByteShares(), key: new ByteShares() };
  readonly #refusals: Record<ByteRefusal, number> = { node: 0, address: 0, key: 0 };
  #used = 0;

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

  /** For leases. @returns false, and nothing has changed, where it would be too much */
  take(bytes: number, address: string, key: string | undefined): boolean {
    const used = this.#used + bytes;
    const free = this.#limit - used;
    const byAddress = this.#shares.address.held(address) + bytes;
    const byKey = key === undefined ? 0 : this.#shares.key.held(key) + bytes;
    const refusal = free < 0 ? "node" : byAddress > free ? "address" : byKey > free ? "key" : undefined;
    if (refusal !== undefined) {
      this.#refusals[refusal] += 1;
      return false;
    }
    this.#used = used;
    this.#shares.address.set(address, byAddress);
    if (key !== undefined) this.#shares.key.set(key, byKey);
    return true;
  }

  /** For leases: what take has granted. */
  give(bytes: number, address: string, key: string | undefined): void {
    this.#used -= bytes;
    this.#shares.address.set(address, this.#shares.address.held(address) - bytes);
    if (key !== undefined) this.#shares.key.set(key, this.#shares.key.held(key) - bytes);
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

  /** Holds more bytes. @returns false, and nothing has changed, where that is too much, or it was released */
  tryTake(bytes: number): boolean {
    if (this.#released || !this.#budget.take(bytes, this.#address, this.#key)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** The same. @throws CarillonError resource_exhausted, with the time after which to try again */
  take(bytes: number): void {
    if (!this.tryTake(bytes)) throw receivingTooMuch();
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

/** Error for a request that the budget has no room for. */
function receivingTooMuch(): CarillonError {
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
