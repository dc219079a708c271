import type { Authenticated, Authenticator } from "../../access/authenticators/authenticator.js";
import type { Permissions } from "../../access/decide/permissions.js";
import type { TokenVerifier } from "../../access/tokens/token-verifier.js";

/** Authenticates RootSocket's clients by connection tokens, whose settings limit the connection. */
export class RootsocketAuthenticator implements Authenticator {
  readonly #issued: TokenVerifier;
  readonly #granted: Permissions;

  /** @param granted - permissions of every client of the vhost */
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
        terms: {
          ignoresOpenRules: allowChannelAuthorization,
          mayJoin: allowChannelSubscription,
          mayPublishToJoined: allowClientSend,
        },
      },
      release,
    };
  }

  async checkChannelToken(token: string, channel: string): Promise<void> {
    await this.#issued.checkChannel(token, channel);
  }
}
