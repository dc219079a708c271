import { Counts } from "../../../clients/limits/counts.js";
import { CarillonError } from "../../../errors.js";
import { addressKey } from "../../../net/ip-address.js";

/**
 * How many connections may be in no namespace, from one address. A client is that for one round trip before it is in one, and
 * many of them may share an address: so many at a time are thousands a second. One that stays takes a place for ten seconds.
 */
const PER_ADDRESS = 1_024;
/** The same for all addresses, as each takes some memory. */
const IN_ALL = 8_192;

/** A connection that is in no namespace. */
export interface IdleConnection {
  readonly address: string;
  cut(): void;
}

/**
 * The connections that are in no namespace (yet). They cost a request each and no more, so they have places of their own and take
 * none of those that clients have who are inside. One address has no more than its own; when there are too many in all, the
 * oldest has to go, which has had the most time to ask for a namespace.
 */
export class IdleConnections {
  readonly #inAll: number;
  readonly #perAddress: number;
  /** The oldest first. */
  readonly #lines = new Set<IdleConnection>();
  readonly #addresses = new Counts();

  constructor({ inAll = IN_ALL, perAddress = PER_ADDRESS } = {}) {
    this.#inAll = inAll;
    this.#perAddress = perAddress;
  }

  get size(): number {
    return this.#lines.size;
  }

  /** @throws CarillonError unavailable: this address has as many as it may have */
  checkRoom(address: string): void {
    if (this.#addresses.of(addressKey(address)) >= this.#perAddress) {
      throw new CarillonError("unavailable", "too many connections of this address are in no namespace");
    }
  }

  /** @returns false where its address has as many as it may have: it has to go */
  add(line: IdleConnection): boolean {
    if (!this.#addresses.take(addressKey(line.address), this.#perAddress)) return false;
    this.#lines.add(line);
    const [oldest] = this.#lines;
    if (this.#lines.size > this.#inAll) oldest?.cut();
    return true;
  }

  delete(line: IdleConnection): void {
    if (this.#lines.delete(line)) this.#addresses.give(addressKey(line.address));
  }
}
