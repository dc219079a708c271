import type { Clock } from "../core/ports.js";
import { CarillonError, chooseDelay, type RetryWindow } from "../errors.js";
import { TokenBucket } from "./limits/token-bucket.js";

/** Outcomes of handshakes, as metrics name them. */
export type HandshakeResult = "admitted" | "rate" | "full" | "stopping";

/** Shortest and longest advice to a client that exceeds the rate, in milliseconds. */
const MIN_DELAY = 1_000;
const MIN_SPREAD = 4_000;
const MAX_SPREAD = 60_000;

export interface HandshakesOptions {
  readonly clock: Clock;
  /** Handshakes per second, with a burst of one second; undefined for no limit. */
  readonly rate: number | undefined;
  /** Returns the number of the node's clients. */
  readonly clientCount: () => number;
  /** Maximum number of the node's clients. */
  readonly limit: number;
  /** Period over which clients that a full or stopping node refuses should come back. */
  readonly retry: RetryWindow;
  /** Returns a number from 0 up to 1. Default: Math.random. */
  readonly random?: () => number;
}

/**
 * Handshakes of the clients of all listeners: upgrades, event streams, and connections of Engine.IO. It refuses them while the
 * node is stopping, full, or admits too many, before any work is done for them.
 */
export class Handshakes {
  readonly counts: Record<HandshakeResult, number> = { admitted: 0, rate: 0, full: 0, stopping: 0 };
  readonly #options: HandshakesOptions;
  readonly #random: () => number;
  #bucket: TokenBucket | undefined;
  #rate: number | undefined;
  /** Time of the monotonic clock at which the clients refused so far could all have been admitted. */
  #admittedBy = 0;
  #closed = false;

  constructor(options: HandshakesOptions) {
    const { random = Math.random, rate } = options;
    this.#options = options;
    this.#random = random;
    this.#rate = rate;
    this.#bucket = this.#createBucket(rate);
  }

  /** Changes the rate, with a new burst. The same rate changes nothing. */
  changeRate(rate: number | undefined): void {
    if (rate === this.#rate) return;
    this.#rate = rate;
    this.#bucket = this.#createBucket(rate);
  }

  #createBucket(rate: number | undefined): TokenBucket | undefined {
    return rate === undefined ? undefined : new TokenBucket(rate, this.#options.clock);
  }

  /**
   * Admits a handshake to authentication, and counts it.
   * @param waiting - number of clients of the caller whose admission is pending
   * @throws CarillonError unavailable, with a delay that differs from client to client
   */
  admit(waiting = 0): void {
    if (this.#closed) {
      this.counts.stopping += 1;
      throw this.#refusal("this node is stopping");
    }
    try {
      this.checkCapacity(waiting);
    } catch (cause) {
      this.counts.full += 1;
      throw cause;
    }
    if (this.#bucket?.take() === false) {
      this.counts.rate += 1;
      throw this.#tooMany();
    }
    this.counts.admitted += 1;
  }

  /** Checks that the node takes another client. @throws CarillonError unavailable */
  checkCapacity(waiting = 0): void {
    const { clientCount, limit } = this.#options;
    if (clientCount() + waiting >= limit) {
      throw this.#refusal("this node has reached its connection limit");
    }
  }

  /** Refuses all further handshakes, because the node is stopping. */
  close(): void {
    this.#closed = true;
  }

  /** Creates a refusal that advises a time within the configured window. */
  #refusal(message: string): CarillonError {
    const retryDelay = chooseDelay(this.#options.retry, this.#random);
    return new CarillonError("unavailable", message, { retryDelay });
  }

  /** Spreads the refused clients over the time that the rate needs to admit them all. */
  #tooMany(): CarillonError {
    const { clock } = this.#options;
    const rate = this.#rate ?? Number.POSITIVE_INFINITY;
    const now = clock.monotonic();
    const latest = Math.max(now, this.#admittedBy) + 1_000 / rate;
    this.#admittedBy = Math.min(latest, now + MAX_SPREAD);
    const spread = Math.max(MIN_SPREAD, this.#admittedBy - now);
    const retryDelay = chooseDelay({ from: MIN_DELAY, to: MIN_DELAY + spread }, this.#random);
    return new CarillonError("unavailable", "this node admits no more clients at the moment", { retryDelay });
  }
}
