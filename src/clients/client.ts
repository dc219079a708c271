import type { Authenticated } from "../access/authenticators/authenticator.js";
import type { Principal } from "../access/decide/principal.js";
import type { HookChanges } from "../access/hooks/hook-answer.js";
import type { ForwardedUpgrade } from "../access/hooks/hook-caller.js";
import type { Notice } from "../core/notice.js";
import type { Session } from "../core/session.js";
import type { Vhost } from "../vhosts/vhost.js";
import type { AdmittedClient } from "./admission.js";
import type { TokenBucket } from "./limits/token-bucket.js";

/** Origin of a connection: its protocol, address and software. */
export interface Origin {
  /** Dialect that the client speaks. */
  readonly dialect: string;
  /** IP address, as reported by trusted proxies. */
  readonly address: string;
  readonly userAgent: string;
}

/** A client's connection, independent of its transport. */
export interface ClientConnection {
  /** Sends a notice that the client did not request, in its dialect. */
  notify(notice: Notice): void;
}

/** Rate limits of a session; undefined for unlimited. */
export interface Rates {
  readonly commands: TokenBucket | undefined;
  readonly publishedBytes: TokenBucket | undefined;
  readonly answeredBytes: TokenBucket | undefined;
}

/** Properties of a new client. */
export interface ClientFacts {
  readonly session: Session;
  readonly vhost: Vhost;
  readonly origin: Origin;
  readonly admitted: AdmittedClient;
  /** In milliseconds since the epoch. */
  readonly connected: number;
  readonly rates: Rates | undefined;
  /** Whether the client may only use channels that a backend has opened, regardless of the vhost's settings. */
  readonly openedOnly?: boolean;
}

/** A connected client: its session and its principal. */
export class Client {
  readonly session: Session;
  readonly vhost: Vhost;
  readonly origin: Origin;
  readonly connected: number;
  readonly connection: ClientConnection;
  readonly rates: Rates | undefined;
  readonly openedOnly: boolean;
  /** Number of messages that it has published. */
  published = 0;
  readonly #admitted: AdmittedClient;
  #principal: Principal;

  constructor(facts: ClientFacts, connection: ClientConnection) {
    this.session = facts.session;
    this.vhost = facts.vhost;
    this.origin = facts.origin;
    this.connected = facts.connected;
    this.rates = facts.rates;
    this.openedOnly = facts.openedOnly === true;
    this.connection = connection;
    this.#admitted = facts.admitted;
    this.#principal = facts.admitted.principal;
  }

  /** Current principal. Only {@link Clients} replaces it, because it indexes clients by user and expiry. */
  get principal(): Principal {
    return this.#principal;
  }

  setPrincipal(principal: Principal): void {
    this.#principal = principal;
  }

  /**
   * Counts the connection for the user of a fresh token, and holds that token instead of the previous one.
   * @throws CarillonError resource_exhausted: the user has reached its limit; nothing changes
   */
  takeToken(authenticated: Authenticated): void {
    this.#admitted.exchange(authenticated);
  }

  /** Calls the connect hook for the user of a fresh token. @throws as {@link AdmittedClient.runConnectHook} does */
  runConnectHook(principal: Principal, user: string | undefined): Promise<HookChanges | undefined> {
    return this.#admitted.runConnectHook(principal, user);
  }

  /** Upgrade request, where join hooks receive it. */
  get upgrade(): ForwardedUpgrade | undefined {
    return this.#admitted.upgrade;
  }

  /** False while the backend's connect hook must still be called for this client. */
  get connectHookDone(): boolean {
    return this.#admitted.connectHookDone;
  }

  /** Releases the connection's share of the limits and its token after it has ended. */
  release(): void {
    this.#admitted.release();
  }
}
