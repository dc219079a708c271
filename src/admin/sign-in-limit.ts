import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { LruMap } from "../util/lru-map.js";

/** Failed attempts that an address has at once. */
const ATTEMPTS = 5;
/** Milliseconds after which one failed attempt is forgotten. */
const FORGET_AFTER = 30_000;
/** Number of addresses kept. The attempts of the least recently used one are forgotten first. */
const MAX_ADDRESSES = 4_096;
/** Passwords that are checked at a time: each takes 64 MiB of memory, and a thread for 0.2 s. */
const MAX_CHECKS = 2;

interface Failures {
  readonly count: number;
  /** Monotonic, in milliseconds. */
  readonly at: number;
}

/** Limits attempts to sign in: failed ones of each address, and checks at a time. */
export class SignInLimit {
  readonly #clock: Clock;
  readonly #failures = new LruMap<string, Failures>(MAX_ADDRESSES);
  #checks = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Checks one attempt.
   * @param address - key of the client's address, as of `toAddressKey`
   * @returns the result of `check`; undefined counts as a failure
   * @throws CarillonError resource_exhausted: too many failed attempts of the address, or too many checks at a time
   */
  async attempt<T>(address: string, check: () => Promise<T | undefined>): Promise<T | undefined> {
    const { count } = this.#read(address);
    if (count >= ATTEMPTS) {
      const text = "too many failed attempts to sign in: try again later";
      throw new CarillonError("resource_exhausted", text, { retryDelay: (count - ATTEMPTS + 1) * FORGET_AFTER });
    }
    if (this.#checks >= MAX_CHECKS) {
      const text = "too many attempts to sign in at a time: try again";
      throw new CarillonError("resource_exhausted", text, { retryDelay: 1_000 });
    }
    // Counted in advance, so that attempts at the same time do not exceed the limit.
    this.#failures.set(address, { count: count + 1, at: this.#clock.monotonic() });
    this.#checks += 1;
    try {
      const result = await check();
      if (result !== undefined) this.#failures.delete(address);
      return result;
    } finally {
      this.#checks -= 1;
    }
  }

  #read(address: string): Failures {
    const known = this.#failures.get(address);
    const now = this.#clock.monotonic();
    if (known === undefined) return { count: 0, at: now };
    return { count: Math.max(0, known.count - Math.floor((now - known.at) / FORGET_AFTER)), at: now };
  }
}
