import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { toAddressKey } from "../../net/ip-address.js";
import { Counts } from "./counts.js";
import { KeyedRates } from "./keyed-rates.js";
import { RateLimited } from "./rate-limited.js";
import { TokenBucket } from "./token-bucket.js";

/** As a vhost's settings have them; undefined: no limit. */
export interface ConnectionLimitSettings {
  readonly connections?: number | undefined;
  readonly connections_per_user?: number | undefined;
  /** By {@link toAddressKey}: an IPv6 network of 64 bits counts as one address. */
  readonly connections_per_address?: number | undefined;
  readonly handshakes_per_second?: number | undefined;
  readonly handshakes_per_second_per_address?: number | undefined;
}

/** What a connection counts against. */
export interface Places {
  /**
   * The connection is this user's from now on, and no longer the one's before.
   * @throws CarillonError resource_exhausted: the user has as many as it may have; nothing has changed then
   */
  takeUser(user: string | undefined): void;
  /** Gives the places back. Calling it again does nothing. */
  release(): void;
}

/** The connections of one vhost on this node, and how fast they may come. */
export class ConnectionLimits {
  readonly #clock: Clock;
  readonly #addresses = new Counts();
  readonly #users = new Counts();
  #count = 0;
  #settings: ConnectionLimitSettings = {};
  #rate: TokenBucket | undefined;
  #rateByAddress: KeyedRates | undefined;

  constructor(settings: ConnectionLimitSettings, clock: Clock) {
    this.#clock = clock;
    this.change(settings);
  }

  /** Those that hold now. */
  get settings(): ConnectionLimitSettings {
    return this.#settings;
  }

  /** From now on these limits. A limit by address or user that there was none of before counts who comes from now on. */
  change(settings: ConnectionLimitSettings): void {
    const { handshakes_per_second: rate, handshakes_per_second_per_address: byAddress } = settings;
    // A bucket that stays the same must not be filled by a change of something else.
    if (rate !== this.#settings.handshakes_per_second) {
      this.#rate = rate === undefined ? undefined : new TokenBucket(rate, this.#clock);
    }
    if (byAddress !== this.#settings.handshakes_per_second_per_address) {
      this.#rateByAddress = byAddress === undefined ? undefined : new KeyedRates(byAddress, this.#clock);
    }
    this.#settings = settings;
  }

  /**
   * A client asks to be let in.
   * @param address - in the form of `normalizeIpAddress`
   * @throws RateLimited: too many at once
   * @throws CarillonError resource_exhausted: as many as there may be
   */
  arrive(address: string): Places {
    const { connections = Number.POSITIVE_INFINITY, connections_per_address: byAddress } = this.#settings;
    const byKey = byAddress !== undefined || this.#rateByAddress !== undefined;
    const key = byKey ? toAddressKey(address) : "";
    // One address that comes too often uses up nothing of what the others may.
    const waitOfAddress = this.#rateByAddress?.take(key) ?? 0;
    if (waitOfAddress > 0) throw new RateLimited("too many connections at once from your address", waitOfAddress);
    if (this.#rate?.take() === false) throw new RateLimited("too many connections at once", this.#rate.wait());
    if (this.#count >= connections) throw exhausted("this vhost has as many connections as it may have");
    if (byAddress !== undefined && !this.#addresses.take(key, byAddress)) {
      throw exhausted("your address has as many connections as it may have");
    }
    this.#count += 1;
    return new Taken(this, byAddress === undefined ? undefined : key);
  }

  /** For a connection's places. @throws CarillonError resource_exhausted */
  takeUser(user: string): boolean {
    const { connections_per_user: limit } = this.#settings;
    if (limit === undefined) return false;
    if (!this.#users.take(user, limit)) throw exhausted("this user has as many connections as it may have");
    return true;
  }

  giveUser(user: string): void {
    this.#users.give(user);
  }

  give(address: string | undefined): void {
    this.#count -= 1;
    if (address !== undefined) this.#addresses.give(address);
  }
}

/** What one connection has taken, to be given back once. */
class Taken implements Places {
  #limits: ConnectionLimits | undefined;
  readonly #address: string | undefined;
  #user: string | undefined;
  #userCounted = false;

  /** @param address - undefined where it is not counted */
  constructor(limits: ConnectionLimits, address: string | undefined) {
    this.#limits = limits;
    this.#address = address;
  }

  takeUser(user: string | undefined): void {
    const limits = this.#limits;
    if (limits === undefined || user === this.#user) return;
    const counted = user !== undefined && limits.takeUser(user);
    this.#giveUser();
    this.#user = user;
    this.#userCounted = counted;
  }

  release(): void {
    const limits = this.#limits;
    if (limits === undefined) return;
    this.#giveUser();
    this.#limits = undefined;
    limits.give(this.#address);
  }

  #giveUser(): void {
    if (this.#userCounted && this.#user !== undefined) this.#limits?.giveUser(this.#user);
    this.#userCounted = false;
  }
}

function exhausted(message: string): CarillonError {
  return new CarillonError("resource_exhausted", message);
}
