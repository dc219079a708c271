import { Counts } from "../../../clients/limits/counts.js";
import { CarillonError } from "../../../errors.js";
import { toAddressKey } from "../../../net/ip-address.js";

/**
 * Most connections of one address without a namespace. A client has none for one round trip, and many clients may share an address:
 * this limit allows thousands of connections a second. A connection that never requests a namespace counts for ten seconds.
 */
const PER_ADDRESS = 1_024;
/** Most connections of all addresses without a namespace, because each takes memory. */
const IN_ALL = 8_192;

/** A connection without a namespace. */
export interface IdleConnection {
  readonly address: string;
  cut(): void;
}

/**
 * Connections without a namespace. Each costs its peer one request, so they have limits of their own and do not count against admitted
 * clients: one limit for each address, and one for all, beyond which the oldest is closed, because it has had the most time.
 */
export class IdleConnections {
  readonly #inAll: number;
  readonly #perAddress: number;
  /** Oldest first. */
  readonly #connections = new Set<IdleConnection>();
  readonly #addresses = new Counts();

  constructor({ inAll = IN_ALL, perAddress = PER_ADDRESS } = {}) {
    this.#inAll = inAll;
    this.#perAddress = perAddress;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** @throws CarillonError unavailable when the address has reached its limit */
  checkRoom(address: string): void {
    if (this.#addresses.of(toAddressKey(address)) >= this.#perAddress) {
      throw new CarillonError("unavailable", "too many connections of this address are in no namespace");
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
