import { KeyedCounts } from "../../../clients/limits/keyed-counts.js";
import { CarillonError } from "../../../errors.js";
import { toAddressKey } from "../../../net/ip-address.js";

/**
 * Maximum number of connections of one address without a namespace. Each client is without one for a round trip, and many
 * clients may share an address, so the limit must allow thousands of new connections per second. A connection that never
 * requests a namespace counts for ten seconds.
 */
const PER_ADDRESS = 1_024;
/** Maximum number of connections without a namespace from all addresses, because each uses memory. */
const IN_ALL = 8_192;

/** Connection without a namespace. */
export interface IdleConnection {
  readonly address: string;
  cut(): void;
}

/**
 * Connections without a namespace. A peer can open one with a single request, so they have their own limits and do not count
 * towards the limit of clients. One limit applies to each address and one to all together. Beyond the latter the oldest
 * connection is closed, because it has had the most time to request a namespace.
 */
export class IdleConnections {
  readonly #inAll: number;
  readonly #perAddress: number;
  /** Oldest first. */
  readonly #connections = new Set<IdleConnection>();
  readonly #addresses = new KeyedCounts();

  constructor({ inAll = IN_ALL, perAddress = PER_ADDRESS } = {}) {
    this.#inAll = inAll;
    this.#perAddress = perAddress;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** @throws CarillonError unavailable when the address has reached its limit */
  checkLimit(address: string): void {
    if (this.#addresses.of(toAddressKey(address)) >= this.#perAddress) {
      throw new CarillonError("unavailable", "too many connections of this address have not joined a namespace");
    }
  }

  /** @returns false when its address has reached its limit: the caller must close the connection */
  add(connection: IdleConnection): boolean {
    if (!this.#addresses.acquire(toAddressKey(connection.address), this.#perAddress)) return false;
    this.#connections.add(connection);
    const [oldest] = this.#connections;
    if (this.#connections.size > this.#inAll) oldest?.cut();
    return true;
  }

  delete(connection: IdleConnection): void {
    if (this.#connections.delete(connection)) this.#addresses.release(toAddressKey(connection.address));
  }
}
