import type { Authenticated } from "../access/authenticators/authenticator.js";
import type { Principal } from "../access/decide/principal.js";
import type { HookChanges } from "../access/hooks/hook-answer.js";
import type { ForwardedUpgrade } from "../access/hooks/hook-caller.js";
import type { Notice } from "../core/notice.js";
import type { Session } from "../core/session.js";
import type { Vhost } from "../vhosts/vhost.js";
import type { AdmittedClient } from "./admission.js";
import type { TokenBucket } from "./limits/token-bucket.js";

/** How a client came. */
export interface Origin {
  /** The dialect that it speaks. */
  readonly dialect: string;
  /** Its IP address, as trusted proxies tell it. */
  readonly address: string;
  readonly userAgent: string;
}

/** A client's connection, whatever carries it. */
export interface ClientConnection {
  /** Tells it what it did not ask for, in the words of its dialect. */
  notify(notice: Notice): void;
}

/** What a session may do in a second, where its vhost limits that. */
export interface Rates {
  readonly commands: TokenBucket | undefined;
  readonly publishedBytes: TokenBucket | undefined;
  readonly answeredBytes: TokenBucket | undefined;
}

export interface ClientFacts {
  readonly session: Session;
  readonly vhost: Vhost;
  readonly origin: Origin;
  readonly admitted: AdmittedClient;
  /** In milliseconds since the epoch. */
  readonly connected: number;
  readonly rates: Rates | undefined;
  /** Whether the channels that it uses have to be opened before, whatever the vhost says of others. */
  readonly openedOnly?: boolean;
}

/** A client that is connected: its session, and whom it acts for. */
export class Client {
  readonly session: Session;
  readonly vhost: Vhost;
  readonly origin: Origin;
  readonly connected: number;
  readonly connection: ClientConnection;
  readonly rates: Rates | undefined;
  readonly openedOnly: boolean;
  /** Messages that it has published. */
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

  /** Whom it acts for. Changed by the registry of clients only, which finds clients by it. */
  get principal(): Principal {
    return this.#principal;
  }

  setPrincipal(principal: Principal): void {
    this.#principal = principal;
  }

  /**
   * Counts the connection as its new user's, and holds the token.
   * @throws CarillonError resource_exhausted: the user has as many connections as it may have; nothing has changed
   */
  takeToken(authenticated: Authenticated): void {
    this.#admitted.exchange(authenticated);
  }

  /** Asks the backend about the user that the client now says it is. @throws as Admitted.introduce does */
  introduce(principal: Principal, user: string | undefined): Promise<HookChanges | undefined> {
    return this.#admitted.introduce(principal, user);
  }

  /** The upgrade request, where the backend is told of it at joins. */
  get upgrade(): ForwardedUpgrade | undefined {
    return this.#admitted.upgrade;
  }

  /** False while the backend, which is asked about who connects, knows nothing of it. */
  get introduced(): boolean {
    return this.#admitted.introduced;
  }

  /** The connection has ended: gives back what it counted against. */
  release(): void {
    this.#admitted.release();
  }
}
