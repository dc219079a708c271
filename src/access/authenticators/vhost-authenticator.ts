import type { Permissions } from "../decide/permissions.js";
import type { Principal } from "../decide/principal.js";
import { type JwtParts, readJwt, tokenRefusal } from "../jwt/jwt-text.js";
import type { JwtVerifier } from "../jwt/jwt-verifier.js";
import type { TokenVerifier } from "../tokens/token-verifier.js";
import type { Authenticated, Authenticator } from "./authenticator.js";
import { whenReady } from "./when-ready.js";

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

  authenticate(credential: string): Authenticated | Promise<Authenticated> {
    return whenReady(this.#verify(credential), ({ principal, release }) => {
      return { principal: this.#grant(principal), release };
    });
  }

  async checkChannelToken(token: string, channel: string): Promise<void> {
    await this.#options.issued.checkChannel(token, channel);
  }

  #verify(credential: string): Unmerged | Promise<Unmerged> {
    const { issued, jwt } = this.#options;
    if (ACCESS_TOKEN.test(credential)) return issued.useAccessToken(credential).then((principal) => ({ principal }));
    const parts = readJwt(credential);
    if (isIssued(parts)) return issued.takeConnection(credential);
    if (jwt === undefined) throw tokenRefusal("the vhost accepts only tokens issued by Carillon");
    return jwt.verify(credential, parts);
  }

  #grant(principal: Principal): Principal {
    const permissions = principal.permissions.merged(this.#options.granted);
    return permissions === principal.permissions ? principal : { ...principal, permissions };
  }
}

/** Result of verifying a credential, without the permissions of every client. */
type Unmerged = Pick<Authenticated, "principal"> & Partial<Authenticated>;

/** Whether a JWT claims to be issued by Carillon. */
function isIssued({ claims, header }: JwtParts): boolean {
  const { applicationIdentifier, category } = claims;
  return (
    header["alg"] === "HS512" &&
    typeof applicationIdentifier === "string" &&
    (category === "connect" || category === "channel")
  );
}
