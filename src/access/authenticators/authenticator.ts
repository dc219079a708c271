import type { Principal, Terms } from "../decide/principal.js";

/** What a credential has shown. */
export interface Authenticated {
  readonly principal: Principal;
  /**
   * Lets the next connection have the token; for tokens that one connection holds at a time. To be called when the
   * connection that presented it has ended. Calling it again does nothing.
   */
  readonly release: (() => void) | undefined;
}

/** Finds out whom a vhost's client acts for. One a vhost. */
export interface Authenticator {
  /** What holds for all whom it knows, and for those who may come in without a token. Undefined: nothing does. */
  readonly terms?: Terms | undefined;

  /**
   * @param credential - a JWT of the vhost's issuer, or a connection or single access token that Carillon issued
   * @throws CarillonError unauthenticated: malformed, expired, not for this vhost, used, or held by another connection
   * @throws CarillonError unavailable: what is needed to decide (keys of the issuer, the store) cannot be reached
   */
  authenticate(credential: string): Promise<Authenticated>;

  /**
   * Whether a channel token lets its bearer join.
   * @throws CarillonError unauthenticated: malformed, expired, or not for this vhost and channel
   */
  checkChannelToken(token: string, channel: string): Promise<void>;
}
