import type { Principal, Terms } from "../decide/principal.js";

/** Result of verifying a credential. */
export interface Authenticated {
  readonly principal: Principal;
  /**
   * Releases a token that one connection may use at a time. The caller calls it when that connection has ended; further
   * calls do nothing.
   */
  readonly release: (() => void) | undefined;
}

/** Authenticates a vhost's clients. */
export interface Authenticator {
  /** Terms of all its clients, including those without a token. Undefined for none. */
  readonly terms?: Terms | undefined;

  /**
   * @param credential - a JWT of the vhost's issuer, or a connection or single access token that Carillon issued
   * @throws CarillonError unauthenticated: malformed, expired, not for this vhost, used, or held by another connection
   * @throws CarillonError unavailable: the issuer's keys or the store cannot be reached
   */
  authenticate(credential: string): Promise<Authenticated>;

  /**
   * Checks that a channel token permits its bearer to join.
   * @throws CarillonError unauthenticated: malformed, expired, or not for this vhost and channel
   */
  checkChannelToken(token: string, channel: string): Promise<void>;
}
