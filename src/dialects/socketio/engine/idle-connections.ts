import { Counts } from "../../../clients/limits/counts.js";
import { CarillonError } from "../../../errors.js";
import { toAddressKey } from "../../../net/ip-address.js";

/**
 * Most connections of one address without a namespace. A client has none for one round trip, and many clients may share an address:
 * this limit allows thousands of connections a second. A connection that asks for nothing counts for ten seconds.
 */
const PER_ADDRESS = 1_024;
/** Most such connections of all addresses, as each takes memory. */
const IN_ALL = 8_192;

/** A connection without a namespace. */
export interface IdleConnection {
  readonly address: string;
  cut(): void;
}

/**
 * Connections without a namespace. Each costs its peer one request, so they have limits of their own and take no room from admitted
 * clients: one for each address, and one for all, beyond which the oldest is closed, which has had the most time.
 */
export class IdleConnections {
  readonly #inAll: number;
  readonly #perAddress: number;
  /** Oldest first. */
  readonly #lines = new Set<IdleConnection>();
  readonly #addresses = new Counts();

  constructor({ inAll = IN_ALL, perAddress = PER_ADDRESS } = {}) {
    this.#inAll = inAll;
    this.#perAddress = perAddress;
  }

  get size(): number {
    return this.#lines.size;
  }

  /** @throws CarillonError unavailable: the address has reached its limit */
  checkRoom(address: string): void {
    if (this.#addresses.of(toAddressKey(address)) >= this.#perAddress) {
      throw new CarillonError("unavailable", "too many connections of this address are in no namespace");
    }
  }

  /** @returns false where its address has reached its limit: the connection has to be closed */
  add(line: IdleConnection): boolean {
    if (!this.#addresses.acquire(toAddressKey(line.address), this.#perAddress)) return false;
    this.#lines.add(line);
    const [oldest] = this.#lines;
    if (this.#lines.size > this.#inAll) oldest?.cut();
    return true;
  }

  delete(line: IdleConnection): void {
    if (this.#lines.delete(line)) this.#addresses.release(toAddressKey(line.address));
  }
}
