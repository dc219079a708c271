import type { Terms } from "../decide/principal.js";
import type { Authenticated, Authenticator } from "./authenticator.js";

/** WebRocket's clients: who is subscribed to a channel may publish on it, in the vhosts that WebRocket's backends use. */
export class WebrocketAuthenticator implements Authenticator {
  readonly terms: Terms = { confined: false, joins: true, sends: true };
  readonly #authenticator: Authenticator;

  constructor(authenticator: Authenticator) {
    this.#authenticator = authenticator;
  }

  async authenticate(credential: string): Promise<Authenticated> {
    const { principal, release } = await this.#authenticator.authenticate(credential);
    return { principal: { ...principal, terms: this.terms }, release };
  }

  checkChannelToken(token: string, channel: string): Promise<void> {
    return this.#authenticator.checkChannelToken(token, channel);
  }
}
