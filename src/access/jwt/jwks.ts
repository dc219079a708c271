import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters } from "jose";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { isLoopback } from "../../util/address.js";
import { fetchText } from "./fetch-text.js";

/** Times for fetching an issuer's keys, in milliseconds. */
export interface JwksTimes {
  /** Time between a successful fetch and the next. */
  readonly refresh: number;
  /** Time before the next fetch after a failure. */
  readonly retry: number;
  /** Minimum time between a fetch and one for an unknown key id. */
  readonly cooldown: number;
  /** Time for which keys stay in use while fetches fail. */
  readonly keep: number;
  /** Maximum time for a response. */
  readonly timeout: number;
}

const TIMES: JwksTimes = {
  refresh: 300_000,
  retry: 10_000,
  cooldown: 30_000,
  keep: 24 * 3_600_000,
  timeout: 5_000,
};

/** Maximum size of an answer, in bytes. Parsing and copying so much JSON takes at most about 25 ms (rule O12). */
const MAX_BYTES = 128 * 1024;

export interface JwksEvents {
  /** Called when the keys have changed, or have become too old to use. */
  onChange(): void;
  /** Called when a fetch has failed, and again only after one has succeeded. */
  onFailure(message: string): void;
}

type KeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * An issuer's keys at a URL. Fetches them at start and at intervals, so that clients do not wait for a fetch. When fetches
 * fail, known keys stay in use for a day after the last successful one. Does not use jose's createRemoteJWKSet, which drops
 * its keys before it has new ones, and sends a request for every token while the issuer is unreachable.
 */
export class JwksKeys {
  readonly #url: URL;
  readonly #clock: Clock;
  readonly #times: JwksTimes;
  readonly #events: JwksEvents;
  #keys: KeySet | undefined;
  #text = "";
  #fetched = Number.NEGATIVE_INFINITY;
  #tried = Number.NEGATIVE_INFINITY;
  #failure: string | undefined;
  #pending: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #stopped = false;

  /**
   * @throws CarillonError invalid_argument: an invalid URL, or one whose answers could be forged in transit
   */
  constructor(url: string, clock: Clock, events: JwksEvents, times: Partial<JwksTimes> = {}) {
    this.#url = readUrl(url);
    this.#clock = clock;
    this.#times = { ...TIMES, ...times };
    this.#events = events;
  }

  /** Reason why the last fetch failed; undefined if it succeeded. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Starts fetching in the background, so that a node starts even if an issuer is unreachable. */
  start(): void {
    void this.#fetch();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  /**
   * Finds the key for a token by its header. Fetches the keys again for an unknown key id.
   * @throws JWKSNoMatchingKey: unknown key
   * @throws CarillonError unavailable: the keys cannot be fetched
   */
  async find(header: JWSHeaderParameters): Promise<CryptoKey> {
    this.#dropStaleKeys();
    if (this.#keys === undefined) {
      if (this.#pending !== undefined || this.#timeSinceAttempt() >= this.#times.retry) await this.#fetch();
      if (this.#keys === undefined) throw this.#unavailable();
    }
    try {
      return await this.#keys(header);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    // Fetches again, because the issuer may have a new key.
    if (this.#pending !== undefined || this.#timeSinceAttempt() >= this.#times.cooldown) await this.#fetch();
    try {
      return await this.#keys(header);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey && this.#failure !== undefined) throw this.#unavailable();
      throw error;
    }
  }

  #timeSinceAttempt(): number {
    return this.#clock.monotonic() - this.#tried;
  }

  #unavailable(): CarillonError {
    return new CarillonError("unavailable", "cannot fetch the issuer's keys: try again later");
  }

  #dropStaleKeys(): void {
    if (this.#keys === undefined || this.#clock.monotonic() - this.#fetched < this.#times.keep) return;
    this.#keys = undefined;
    this.#text = "";
    this.#events.onChange();
  }

  /** Never rejects. Concurrent calls share one request. */
  #fetch(): Promise<void> {
    this.#pending ??= this.#fetchNow().finally(() => {
      this.#pending = undefined;
      this.#cancelTimer?.();
      if (this.#stopped) return;
      this.#cancelTimer = this.#clock.after(
        this.#failure === undefined ? this.#times.refresh : this.#times.retry,
        () => {
          this.#dropStaleKeys();
          void this.#fetch();
        },
      );
    });
    return this.#pending;
  }

  async #fetchNow(): Promise<void> {
    this.#tried = this.#clock.monotonic();
    // A check of settings stops the keys in the turn in which it starts them, so it makes no request.
    await Promise.resolve();
    if (this.#stopped) return;
    try {
      const text = await fetchText(this.#url, { timeout: this.#times.timeout, maxBytes: MAX_BYTES });
      const changed = text !== this.#text;
      if (changed) this.#keys = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
      this.#text = text;
      this.#fetched = this.#clock.monotonic();
      this.#failure = undefined;
      if (changed) this.#events.onChange();
    } catch (error) {
      const reported = this.#failure !== undefined;
      this.#failure = describeFetchError(error);
      // The query may contain a secret, so it is left out.
      if (!reported) this.#events.onFailure(`${this.#url.origin}${this.#url.pathname}: ${this.#failure}`);
    }
  }
}

/** Adds the cause, because fetch's own message is only "fetch failed". */
function describeFetchError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const loopback = url?.protocol === "http:" && isLoopback(url.hostname.replace(/^\[(.*)\]$/, "$1"));
  if (url === undefined || (url.protocol !== "https:" && !loopback)) {
    throw new CarillonError("invalid_argument", "jwks_url: expected https://…, or http://… on this machine");
  }
  if (url.username !== "" || url.password !== "") {
    throw new CarillonError("invalid_argument", "jwks_url: must not contain a user or password");
  }
  return url;
}
