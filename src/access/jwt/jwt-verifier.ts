import { createHash } from "node:crypto";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { LruMap } from "../../util/lru-map.js";
import { whenReady } from "../authenticators/when-ready.js";
import { readInfo } from "../decide/info.js";
import { type BitGrants, PermissionBits } from "../decide/permission-bits.js";
import type { Permissions } from "../decide/permissions.js";
import type { Principal } from "../decide/principal.js";
import { type ClaimNames, claimAt, claimTextAt, DEFAULT_CLAIMS, readPermissions, readUser } from "./claims.js";
import { JwksKeys, type JwksTimes } from "./jwks.js";
import { ASYMMETRIC, checkAlgorithms, readPublicKey, readSecret, type VerificationKey } from "./jwt-key.js";
import { type JwtRequirements, verifyJwt } from "./jwt-signature.js";
import { type JwtParts, MAX_TOKEN, readJwt, tokenRefusal } from "./jwt-text.js";
import { readExpiry } from "./jwt-times.js";

/** Settings for verifying an issuer's tokens. Exactly one of secret, publicKey and jwksUrl is set. */
export interface JwtOptions {
  /** Default: all algorithms of the key. */
  readonly algorithms?: readonly string[] | undefined;
  readonly secret?: string | Uint8Array | undefined;
  /** PEM (SPKI or X.509) or a JWK as JSON. */
  readonly publicKey?: string | undefined;
  readonly jwksUrl?: string | undefined;
  /** Allowed issuers; default: any. */
  readonly issuer?: string | readonly string[] | undefined;
  /** A token must have one of these; default: any. */
  readonly audience?: string | readonly string[] | undefined;
  /** Tolerated difference between the issuer's clock and ours, in milliseconds; default: 0. */
  readonly leeway?: number | undefined;
  readonly claims?: Partial<ClaimNames> | undefined;
  /** Whether a token must have an expiry; default: true. */
  readonly requireExp?: boolean | undefined;
  /** Whether the user claim may be an integer. Its digits are the user's id. */
  readonly integerUser?: boolean | undefined;
  /** Grants for tokens whose permissions are an integer. Undefined: such tokens are refused. */
  readonly permissionBits?: BitGrants | undefined;
  /** Accepts secrets shorter than RFC 7518 §3.2 requires, where another system has chosen them. */
  readonly allowShortSecret?: boolean | undefined;
  readonly jwksTimes?: Partial<JwksTimes> | undefined;
}

/** Contents of a verified token. */
export interface VerifiedJwt {
  readonly principal: Principal & { readonly user: string };
  readonly claims: Readonly<Record<string, unknown>>;
}

/** User id that is an integer: digits without a sign, fraction or exponent. */
const USER_NUMBER = /^\d+$/;

/**
 * Maximum number of cached tokens. Caching pays because clients reconnect with the same token, and verifying a signature
 * takes up to 0.3 ms.
 */
const MAX_CACHED = 2_000;

/** Verifies the tokens of one issuer. */
export class JwtVerifier {
  readonly #clock: Clock;
  readonly #leeway: number;
  readonly #claims: ClaimNames;
  readonly #requireExp: boolean;
  readonly #integerUser: boolean;
  readonly #bits: PermissionBits | undefined;
  readonly #requirements: Omit<JwtRequirements, "now">;
  readonly #key: VerificationKey | undefined;
  readonly #jwks: JwksKeys | undefined;
  /** Verified tokens by their SHA-256. Emptied when the issuer's keys change. */
  readonly #cache = new LruMap<string, VerifiedJwt>(MAX_CACHED);
  #generation = 0;

  /**
   * @param onFailure - called when the issuer's keys cannot be fetched; for the log
   * @throws CarillonError invalid_argument, naming the invalid setting
   */
  constructor(options: JwtOptions, clock: Clock, onFailure: (message: string) => void = () => undefined) {
    const { algorithms: configured, audience, issuer, jwksUrl, leeway = 0, publicKey, secret } = options;
    if ([secret, publicKey, jwksUrl].filter((source) => source !== undefined).length !== 1) {
      throw new CarillonError("invalid_argument", "jwt: expected one of secret, public_key and jwks_url");
    }
    this.#clock = clock;
    this.#leeway = leeway;
    this.#claims = { ...DEFAULT_CLAIMS, ...options.claims };
    this.#requireExp = options.requireExp ?? true;
    this.#integerUser = options.integerUser === true;
    this.#bits = createBits(options.permissionBits);
    let algorithms = configured ?? ASYMMETRIC;
    if (jwksUrl === undefined) {
      const found =
        secret === undefined
          ? readPublicKey(publicKey ?? "", configured)
          : readSecret(secret, configured, options.allowShortSecret === true);
      this.#key = found.key;
      algorithms = found.algorithms;
    } else {
      checkAlgorithms(algorithms, ASYMMETRIC, "jwks_url");
      this.#jwks = new JwksKeys(jwksUrl, clock, { onChange: () => this.#clearCache(), onFailure }, options.jwksTimes);
    }
    this.#requirements = {
      algorithms,
      requireExp: this.#requireExp && this.#claims.expires_in === undefined,
      leeway,
      issuers: typeof issuer === "string" ? [issuer] : issuer,
      audiences: typeof audience === "string" ? [audience] : audience,
    };
  }

  /** Reason of the last failed fetch of the issuer's keys; undefined if it succeeded or there is no URL. */
  get failure(): string | undefined {
    return this.#jwks?.failure;
  }

  /** Starts fetching the issuer's keys, where they are at a URL. */
  start(): void {
    this.#jwks?.start();
  }

  stop(): void {
    this.#jwks?.stop();
  }

  /**
   * Verifies a token.
   * @param parts - the decoded token, where the caller has decoded it already
   * @returns a promise where a public key verifies the token, and it is not cached
   * @throws CarillonError unauthenticated, with a text for the client
   * @throws CarillonError unavailable: the issuer's keys cannot be fetched
   */
  verify(token: string, parts?: JwtParts): VerifiedJwt | Promise<VerifiedJwt> {
    if (token.length > MAX_TOKEN) throw tokenRefusal(`longer than ${MAX_TOKEN} characters`);
    const digest = createHash("sha256").update(token).digest("base64url");
    const cached = this.#cache.get(digest);
    if (cached !== undefined) {
      const { expires } = cached.principal;
      if (expires === undefined || expires > this.#clock.now()) return cached;
      this.#cache.delete(digest);
    }
    const generation = this.#generation;
    return whenReady(this.#check(parts ?? readJwt(token)), (verified) => {
      // If the keys have changed meanwhile, the one that verified the token may have been removed.
      if (generation === this.#generation) this.#cache.set(digest, verified);
      return verified;
    });
  }

  #check(jwt: JwtParts): VerifiedJwt | Promise<VerifiedJwt> {
    const requirements = { now: this.#clock.now(), ...this.#requirements };
    return whenReady(verifyJwt(jwt, this.#key ?? ((header) => this.#findKey(header)), requirements), () => ({
      principal: this.#createPrincipal(jwt.claims, jwt.claimsText),
      claims: jwt.claims,
    }));
  }

  #findKey(header: Parameters<JwksKeys["find"]>[0]): ReturnType<JwksKeys["find"]> {
    if (this.#jwks === undefined) throw tokenRefusal("unknown signing key");
    return this.#jwks.find(header);
  }

  #createPrincipal(claims: Readonly<Record<string, unknown>>, text: string): VerifiedJwt["principal"] {
    const times = { names: this.#claims, requireExp: this.#requireExp, now: this.#clock.now(), leeway: this.#leeway };
    const expires = readExpiry(claims, times);
    const { info } = this.#claims;
    try {
      return {
        user: this.#readUser(claims, text),
        permissions: this.#readPermissions(claims, text),
        info: readInfo(claimAt(claims, info), info, claimTextAt(claims, text, info)),
        expires,
      };
    } catch (error) {
      throw tokenRefusal(CarillonError.from(error).message, error);
    }
  }

  #readUser(claims: Readonly<Record<string, unknown>>, text: string): string {
    const { user } = this.#claims;
    const value = claimAt(claims, user);
    const digits = this.#integerUser && typeof value === "number" ? claimTextAt(claims, text, user) : undefined;
    return readUser(digits !== undefined && USER_NUMBER.test(digits) ? digits : value, user);
  }

  #readPermissions(claims: Readonly<Record<string, unknown>>, text: string): Permissions {
    const { permissions } = this.#claims;
    const value = claimAt(claims, permissions);
    return this.#bits?.read(value, claimTextAt(claims, text, permissions) ?? "") ?? readPermissions(value, permissions);
  }

  #clearCache(): void {
    this.#generation += 1;
    this.#cache.clear();
  }
}

/** @throws CarillonError invalid_argument, naming the setting */
function createBits(grants: BitGrants | undefined): PermissionBits | undefined {
  if (grants === undefined) return undefined;
  try {
    return new PermissionBits(grants);
  } catch (error) {
    throw new CarillonError("invalid_argument", `permission_bits: ${CarillonError.from(error).message}`);
  }
}
