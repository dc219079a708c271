import type { Authenticated, Authenticator } from "../../access/authenticators/authenticator.js";
import type { Permissions } from "../../access/decide/permissions.js";
import type { TokenVerifier } from "../../access/tokens/token-verifier.js";

/** RootSocket's clients: connection tokens and nothing else, and what they say of what a connection may do counts. */
export class RootsocketAuthenticator implements Authenticator {
  readonly #issued: TokenVerifier;
  readonly #granted: Permissions;

  /** @param granted - what every client of the vhost may do */
  constructor(issued: TokenVerifier, granted: Permissions) {
    this.#issued = issued;
    this.#granted = granted;
  }

  async authenticate(credential: string): Promise<Authenticated> {
    const { principal, release, settings } = await this.#issued.takeConnection(credential, "rootsocket");
    const { allowChannelAuthorization, allowChannelSubscription, allowClientSend } = settings;
    return {
      principal: {
        ...principal,
        permissions: principal.permissions.merged(this.#granted),
        terms: { confined: allowChannelAuthorization, joins: allowChannelSubscription, sends: allowClientSend },
      },
      release,
    };
  }

  async checkChannelToken(token: string, channel: string): Promise<void> {
    await this.#issued.checkChannel(token, channel);
  }
}
