import type { Permissions } from "../decide/permissions.js";
import type { Principal } from "../decide/principal.js";
import { readJwt, tokenRefusal } from "../jwt/jwt-text.js";
import type { JwtVerifier } from "../jwt/jwt-verifier.js";
import type { TokenVerifier } from "../tokens/token-verifier.js";
import type { Authenticated, Authenticator } from "./authenticator.js";

export interface VhostAuthenticatorOptions {
  /** What Carillon issued itself. */
  readonly issued: TokenVerifier;
  /** What the vhost's own issuer issued; undefined where it has none. */
  readonly jwt: JwtVerifier | undefined;
  /** What every client may do, with a token or without. */
  readonly granted: Permissions;
}

/** 512 random bits in hexadecimal. */
const ACCESS_TOKEN = /^[0-9a-f]{128}$/;

/**
 * Tells what kind of credential it is by what it looks like, and then checks it as that kind alone: what fails as one is
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
    if (jwt === undefined) throw tokenRefusal("the vhost takes no tokens but those that Carillon issued");
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

/** Whether a JWT says of itself that it is one of Carillon's. */
function isIssued(token: string): boolean {
  const { claims, header } = readJwt(token);
  const { applicationIdentifier, category } = claims;
  return (
    header["alg"] === "HS512" &&
    typeof applicationIdentifier === "string" &&
    (category === "connect" || category === "channel")
  );
}
