import type { Principal, Terms } from "../decide/principal.js";

/** Result of verifying a credential. */
export interface Authenticated {
  readonly principal: Principal;
  /**
   * Releases a token that only one connection may use at a time; undefined for other credentials. The caller calls it when
   * the connection has ended. Further calls do nothing.
   */
  readonly release: (() => void) | undefined;
}

/** Authenticates a vhost's clients. */
export interface Authenticator {
  /** Terms of all clients that it authenticates, and of anonymous clients; undefined for none. */
  readonly terms?: Terms | undefined;

  /**
   * Verifies a client's credential.
   * @param credential - a JWT of the vhost's issuer, or a connection or single access token that Carillon issued
   * @returns a promise only where a public key, an issuer's keys, the store or another node is needed
   * @throws CarillonError unauthenticated: malformed, expired, for another vhost, already used, or in use elsewhere
   * @throws CarillonError unavailable: the issuer's keys or the store cannot be reached
   */
  authenticate(credential: string): Authenticated | Promise<Authenticated>;

  /**
   * Checks that a channel token permits its bearer to join.
   * @throws CarillonError unauthenticated: malformed, expired, or not for this vhost and channel
   */
  checkChannelToken(token: string, channel: string): Promise<void>;
}
