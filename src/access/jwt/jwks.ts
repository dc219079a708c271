import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters } from "jose";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { isLoopback } from "../../util/address.js";
import { fetchText } from "./fetch-text.js";

/** Milliseconds. */
export interface JwksTimes {
  /** How often the keys are fetched. */
  readonly refresh: number;
  /** How soon again after a failure. */
  readonly retry: number;
  /** Keys that a token names and that are not there are asked for so often at most. */
  readonly cooldown: number;
  /** How long keys are used that could not be fetched again. */
  readonly keep: number;
  /** How long an answer may take. */
  readonly timeout: number;
}

const TIMES: JwksTimes = {
  refresh: 300_000,
  retry: 10_000,
  cooldown: 30_000,
  keep: 24 * 3_600_000,
  timeout: 5_000,
};

const MAX_BYTES = 256 * 1024;

export interface JwksEvents {
  /** The keys are others than before, or none any more. */
  onChange(): void;
  /** They cannot be fetched; told once, until they can again. */
  onFailure(message: string): void;
}

type KeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * An issuer's keys at a URL. Fetched at start and now and then, so that no client waits for it; when that fails, those
 * known are used for a day more. jose has createRemoteJWKSet, which throws its keys away before it has new ones and
 * asks an issuer that is away at every token.
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
   * @throws CarillonError invalid_argument: a URL that anybody on the way could answer
   */
  constructor(url: string, clock: Clock, events: JwksEvents, times: Partial<JwksTimes> = {}) {
    this.#url = readUrl(url);
    this.#clock = clock;
    this.#times = { ...TIMES, ...times };
    this.#events = events;
  }

  /** Why the last fetch failed; undefined when it did not. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Begins to fetch. Nothing waits for it: an issuer that is away keeps no node from starting. */
  start(): void {
    void this.#fetch();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  /**
   * The key that a token names.
   * @throws CarillonError unauthenticated: there is no such key
   * @throws CarillonError unavailable: the keys are not known
   */
  async find(header: JWSHeaderParameters): Promise<CryptoKey> {
    this.#forgetOld();
    if (this.#keys === undefined) {
      if (this.#pending !== undefined || this.#elapsed() >= this.#times.retry) await this.#fetch();
      if (this.#keys === undefined) throw this.#unavailable();
    }
    try {
      return await this.#keys(header);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    // Perhaps the issuer has a new one.
    if (this.#pending !== undefined || this.#elapsed() >= this.#times.cooldown) await this.#fetch();
    try {
      return await this.#keys(header);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey && this.#failure !== undefined) throw this.#unavailable();
      throw error;
    }
  }

  #elapsed(): number {
    return this.#clock.monotonic() - this.#tried;
  }

  #unavailable(): CarillonError {
    return new CarillonError("unavailable", "the keys of the tokens' issuer cannot be fetched: try again later");
  }

  #forgetOld(): void {
    if (this.#keys === undefined || this.#clock.monotonic() - this.#fetched < this.#times.keep) return;
    this.#keys = undefined;
    this.#text = "";
    this.#events.onChange();
  }

  /** Never rejects. Calls that wait share one request. */
  #fetch(): Promise<void> {
    this.#pending ??= this.#fetchNow().finally(() => {
      this.#pending = undefined;
      this.#cancelTimer?.();
      if (this.#stopped) return;
      this.#cancelTimer = this.#clock.after(
        this.#failure === undefined ? this.#times.refresh : this.#times.retry,
        () => {
          this.#forgetOld();
          void this.#fetch();
        },
      );
    });
    return this.#pending;
  }

  async #fetchNow(): Promise<void> {
    this.#tried = this.#clock.monotonic();
    // Settings that are only tried out are stopped at once: for those nobody is asked.
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
      const known = this.#failure !== undefined;
      this.#failure = textOf(error);
      // Without the query, which may hold a key of the issuer's.
      if (!known) this.#events.onFailure(`${this.#url.origin}${this.#url.pathname}: ${this.#failure}`);
    }
  }
}

/** fetch says "fetch failed", and why in the cause. */
function textOf(error: unknown): string {
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
    throw new CarillonError("invalid_argument", "jwks_url: keys are public, it cannot hold a user or password");
  }
  return url;
}
