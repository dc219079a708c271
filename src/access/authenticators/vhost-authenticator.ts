import type { Permissions } from "../decide/permissions.js";
import type { Principal } from "../decide/principal.js";
import { readJwt, tokenRefusal } from "../jwt/jwt-text.js";
import type { JwtVerifier } from "../jwt/jwt-verifier.js";
import type { TokenVerifier } from "../tokens/token-verifier.js";
import type { Authenticated, Authenticator } from "./authenticator.js";

export interface VhostAuthenticatorOptions {
  /** Verifies tokens issued by Carillon. */
  readonly issued: TokenVerifier;
  /** Verifies tokens of the vhost's own issuer; undefined for none. */
  readonly jwt: JwtVerifier | undefined;
  /** Permissions of every client, with or without a token. */
  readonly granted: Permissions;
}

/** Access token: 512 random bits in hexadecimal. */
const ACCESS_TOKEN = /^[0-9a-f]{128}$/;

/**
 * Chooses the kind of a credential by its form, and verifies it as that kind only: a credential that fails as one kind is
 * never tried as another.
 */
export class VhostAuthenticator implements Authenticator {
  readonly #options: VhostAuthenticatorOptions;

  constructor(options: VhostAuthenticatorOptions) {
    this.#options = options;
  }

  async authenticate(credential: string): Promise<Authenticated> {
    const { issued, jwt } = this.#options;
    if (ACCESS_TOKEN.test(credential)) {
      return { principal: this.#grant(await issued.useAccessToken(credential)), release: undefined };
    }
    if (isIssued(credential)) {
      const { principal, release } = await issued.takeConnection(credential);
      return { principal: this.#grant(principal), release };
    }
    if (jwt === undefined) throw tokenRefusal("the vhost accepts only tokens issued by Carillon");
    const { principal } = await jwt.verify(credential);
    return { principal: this.#grant(principal), release: undefined };
  }

  async checkChannelToken(token: string, channel: string): Promise<void> {
    await this.#options.issued.checkChannel(token, channel);
  }

  #grant(principal: Principal): Principal {
    const permissions = principal.permissions.merged(this.#options.granted);
    return permissions === principal.permissions ? principal : { ...principal, permissions };
  }
}

/** Whether a JWT claims to be issued by Carillon. */
function isIssued(token: string): boolean {
  const { claims, header } = readJwt(token);
  const { applicationIdentifier, category } = claims;
  return (
    header["alg"] === "HS512" &&
    typeof applicationIdentifier === "string" &&
    (category === "connect" || category === "channel")
  );
}
