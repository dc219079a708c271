import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { toAddressKey } from "../../net/ip-address.js";
import { KeyedCounts } from "./keyed-counts.js";
import { KeyedRates } from "./keyed-rates.js";
import { RateLimited } from "./rate-limited.js";
import { TokenBucket } from "./token-bucket.js";

/** Connection limits of a vhost; undefined for unlimited. */
export interface ConnectionLimitSettings {
  readonly connections?: number | undefined;
  readonly connections_per_user?: number | undefined;
  /** Addresses are grouped by {@link toAddressKey}: an IPv6 /64 counts as one address. */
  readonly connections_per_address?: number | undefined;
  readonly handshakes_per_second?: number | undefined;
  readonly handshakes_per_second_per_address?: number | undefined;
}

/** Share of the limits that one connection uses. */
export interface ConnectionSlot {
  /**
   * Counts the connection for this user from now on, instead of the previous one.
   * @throws CarillonError resource_exhausted: the user has reached its limit; nothing changes
   */
  setUser(user: string | undefined): void;
  /** Stops counting the connection. Further calls do nothing. */
  release(): void;
}

/** Counts the connections of one vhost on this node, and limits their number and the rate of handshakes. */
export class ConnectionLimits {
  readonly #clock: Clock;
  readonly #addresses = new KeyedCounts();
  readonly #users = new KeyedCounts();
  #count = 0;
  #settings: ConnectionLimitSettings = {};
  #rate: TokenBucket | undefined;
  #rateByAddress: KeyedRates | undefined;

  constructor(settings: ConnectionLimitSettings, clock: Clock) {
    this.#clock = clock;
    this.change(settings);
  }

  /** Limits in force. */
  get settings(): ConnectionLimitSettings {
    return this.#settings;
  }

  /** Replaces the limits. A new limit by address or user counts only the connections made after the change. */
  change(settings: ConnectionLimitSettings): void {
    const { handshakes_per_second: rate, handshakes_per_second_per_address: byAddress } = settings;
    // Keeps the bucket when its rate is unchanged: a new one would be full.
    if (rate !== this.#settings.handshakes_per_second) {
      this.#rate = rate === undefined ? undefined : new TokenBucket(rate, this.#clock);
    }
    if (byAddress !== this.#settings.handshakes_per_second_per_address) {
      this.#rateByAddress = byAddress === undefined ? undefined : new KeyedRates(byAddress, this.#clock);
    }
    this.#settings = settings;
  }

  /**
   * KeyedCounts a new connection.
   * @param address - IP address, as normalized by `normalizeIpAddress`
   * @throws RateLimited: too many handshakes per second
   * @throws CarillonError resource_exhausted: a limit on the number of connections is reached
   */
  acquire(address: string): ConnectionSlot {
    const { connections = Number.POSITIVE_INFINITY, connections_per_address: byAddress } = this.#settings;
    const byKey = byAddress !== undefined || this.#rateByAddress !== undefined;
    const key = byKey ? toAddressKey(address) : "";
    // The address is checked first, so that one above its rate consumes nothing of the vhost's rate.
    const waitOfAddress = this.#rateByAddress?.take(key) ?? 0;
    if (waitOfAddress > 0) throw new RateLimited("too many handshakes per second from your address", waitOfAddress);
    if (this.#rate?.take() === false) throw new RateLimited("too many handshakes per second", this.#rate.wait());
    if (this.#count >= connections) throw limitReached("this vhost has reached its connection limit");
    if (byAddress !== undefined && !this.#addresses.acquire(key, byAddress)) {
      throw limitReached("your address has reached its connection limit");
    }
    this.#count += 1;
    return new AcquiredSlot(this, byAddress === undefined ? undefined : key);
  }

  /**
   * Counts a connection of a user.
   * @returns false where users are not counted
   * @throws CarillonError resource_exhausted: the user has reached its limit
   */
  acquireUser(user: string): boolean {
    const { connections_per_user: limit } = this.#settings;
    if (limit === undefined) return false;
    if (!this.#users.acquire(user, limit)) throw limitReached("this user has reached its connection limit");
    return true;
  }

  releaseUser(user: string): void {
    this.#users.release(user);
  }

  release(address: string | undefined): void {
    this.#count -= 1;
    if (address !== undefined) this.#addresses.release(address);
  }
}

/** Releases each count of a connection exactly once. */
class AcquiredSlot implements ConnectionSlot {
  #limits: ConnectionLimits | undefined;
  readonly #address: string | undefined;
  #user: string | undefined;
  #userCounted = false;

  /** @param address - undefined if addresses are not counted */
  constructor(limits: ConnectionLimits, address: string | undefined) {
    this.#limits = limits;
    this.#address = address;
  }

  setUser(user: string | undefined): void {
    const limits = this.#limits;
    if (limits === undefined || user === this.#user) return;
    const counted = user !== undefined && limits.acquireUser(user);
    this.#releaseUser();
    this.#user = user;
    this.#userCounted = counted;
  }

  release(): void {
    const limits = this.#limits;
    if (limits === undefined) return;
    this.#releaseUser();
    this.#limits = undefined;
    limits.release(this.#address);
  }

  #releaseUser(): void {
    if (this.#userCounted && this.#user !== undefined) this.#limits?.releaseUser(this.#user);
    this.#userCounted = false;
  }
}

function limitReached(message: string): CarillonError {
  return new CarillonError("resource_exhausted", message);
}
