import { createHash } from "node:crypto";
import { type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { LruMap } from "../../util/lru-map.js";
import { readInfo } from "../decide/info.js";
import { type BitGrants, PermissionBits } from "../decide/permission-bits.js";
import type { Permissions } from "../decide/permissions.js";
import type { Principal } from "../decide/principal.js";
import { type ClaimNames, claimAt, claimTextAt, DEFAULT_CLAIMS, readPermissions, readUser } from "./claims.js";
import { JwksKeys, type JwksTimes } from "./jwks.js";
import { ASYMMETRIC, checkAlgorithms, readPublicKey, readSecret, type VerificationKey } from "./jwt-key.js";
import { describeJwtRefusal } from "./jwt-refusal.js";
import { MAX_TOKEN, readJwt, tokenRefusal } from "./jwt-text.js";
import { readExpiry } from "./jwt-times.js";

/** How the tokens of an issuer are checked. Exactly one of secret, publicKey and jwksUrl. */
export interface JwtOptions {
  /** Default: all that fit the key. */
  readonly algorithms?: readonly string[] | undefined;
  readonly secret?: string | Uint8Array | undefined;
  /** PEM (SPKI or X.509) or a JWK as JSON. */
  readonly publicKey?: string | undefined;
  readonly jwksUrl?: string | undefined;
  /** One of these; default: any. */
  readonly issuer?: string | readonly string[] | undefined;
  /** At least one of these; default: any. */
  readonly audience?: string | readonly string[] | undefined;
  /** How far the issuer's clock may be from ours, in milliseconds; 0 when left out. */
  readonly leeway?: number | undefined;
  readonly claims?: Partial<ClaimNames> | undefined;
  /** Whether a token has to end; true when left out. */
  readonly requireExp?: boolean | undefined;
  /** Whether the user may be an integer, whose digits are the user's id. */
  readonly integerUser?: boolean | undefined;
  /** Rights of tokens whose permissions are an integer; undefined: such tokens are refused. */
  readonly permissionBits?: BitGrants | undefined;
  /** Takes secrets shorter than RFC 7518 §3.2 asks for, where another system has chosen them. */
  readonly allowShortSecret?: boolean | undefined;
  readonly jwksTimes?: Partial<JwksTimes> | undefined;
}

/** What a verified token says. */
export interface VerifiedJwt {
  readonly principal: Principal & { readonly user: string };
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The number of a user, without a sign, a fraction or an exponent. */
const USER_NUMBER = /^\d+$/;

/** Tokens that are remembered: clients come again with the same, and checking a signature costs up to 0.3 ms. */
const MAX_REMEMBERED = 2_000;

/** Checks the tokens of one issuer. */
export class JwtVerifier {
  readonly #clock: Clock;
  readonly #leeway: number;
  readonly #claims: ClaimNames;
  readonly #requireExp: boolean;
  readonly #integerUser: boolean;
  readonly #bits: PermissionBits | undefined;
  readonly #options: JWTVerifyOptions;
  readonly #key: VerificationKey | undefined;
  readonly #jwks: JwksKeys | undefined;
  /** By the SHA-256 of the token. Emptied when the issuer's keys change. */
  readonly #remembered = new LruMap<string, VerifiedJwt>(MAX_REMEMBERED);
  #generation = 0;

  /**
   * @param onFailure - told when the issuer's keys cannot be fetched; for the log
   * @throws CarillonError invalid_argument: settings that cannot be, naming the one
   */
  constructor(options: JwtOptions, clock: Clock, onFailure: (message: string) => void = () => undefined) {
    const { algorithms: wanted, audience, issuer, jwksUrl, leeway = 0, publicKey, secret } = options;
    if ([secret, publicKey, jwksUrl].filter((source) => source !== undefined).length !== 1) {
      throw new CarillonError("invalid_argument", "jwt: expected one of secret, public_key and jwks_url");
    }
    this.#clock = clock;
    this.#leeway = leeway;
    this.#claims = { ...DEFAULT_CLAIMS, ...options.claims };
    this.#requireExp = options.requireExp ?? true;
    this.#integerUser = options.integerUser === true;
    this.#bits = bitsOf(options.permissionBits);
    let algorithms = wanted ?? ASYMMETRIC;
    if (jwksUrl === undefined) {
      const found =
        secret === undefined
          ? readPublicKey(publicKey ?? "", wanted)
          : readSecret(secret, wanted, options.allowShortSecret === true);
      this.#key = found.key;
      algorithms = found.algorithms;
    } else {
      checkAlgorithms(algorithms, ASYMMETRIC, "keys at a URL");
      this.#jwks = new JwksKeys(jwksUrl, clock, { onChange: () => this.#forget(), onFailure }, options.jwksTimes);
    }
    this.#options = {
      algorithms: [...algorithms],
      requiredClaims: this.#requireExp && this.#claims.expires_in === undefined ? ["exp"] : [],
      clockTolerance: leeway / 1_000,
      ...(issuer === undefined ? {} : { issuer: typeof issuer === "string" ? issuer : [...issuer] }),
      ...(audience === undefined ? {} : { audience: typeof audience === "string" ? audience : [...audience] }),
    };
  }

  /** Why the issuer's keys could not be fetched the last time; undefined: they were, or none are. */
  get failure(): string | undefined {
    return this.#jwks?.failure;
  }

  /** Begins to fetch the issuer's keys, where they are at a URL. */
  start(): void {
    this.#jwks?.start();
  }

  stop(): void {
    this.#jwks?.stop();
  }

  /**
   * @throws CarillonError unauthenticated, with a text for the client
   * @throws CarillonError unavailable: the issuer's keys are not known
   */
  async verify(token: string): Promise<VerifiedJwt> {
    if (token.length > MAX_TOKEN) throw tokenRefusal(`it is longer than ${MAX_TOKEN} characters`);
    const digest = createHash("sha256").update(token).digest("base64url");
    const remembered = this.#remembered.get(digest);
    if (remembered !== undefined) {
      const { expires } = remembered.principal;
      if (expires === undefined || expires > this.#clock.now()) return remembered;
      this.#remembered.delete(digest);
    }
    const generation = this.#generation;
    const verified = await this.#check(token);
    // Not when the key that was used may be gone by now.
    if (generation === this.#generation) this.#remembered.set(digest, verified);
    return verified;
  }

  async #check(token: string): Promise<VerifiedJwt> {
    const { claims, claimsText } = readJwt(token);
    try {
      await this.#verifySignature(token);
    } catch (error) {
      throw describeJwtRefusal(error);
    }
    return { principal: this.#principalOf(claims, claimsText), claims };
  }

  async #verifySignature(token: string): Promise<JWTPayload> {
    const options = { ...this.#options, currentDate: new Date(this.#clock.now()) };
    if (this.#key !== undefined) return (await jwtVerify(token, this.#key, options)).payload;
    return (await jwtVerify(token, async (header) => this.#keyAtUrl(header), options)).payload;
  }

  #keyAtUrl(header: Parameters<JwksKeys["find"]>[0]): ReturnType<JwksKeys["find"]> {
    if (this.#jwks === undefined) throw tokenRefusal("there is no key");
    return this.#jwks.find(header);
  }

  #principalOf(claims: Readonly<Record<string, unknown>>, text: string): VerifiedJwt["principal"] {
    const times = { names: this.#claims, requireExp: this.#requireExp, now: this.#clock.now(), leeway: this.#leeway };
    const expires = readExpiry(claims, times);
    const { info } = this.#claims;
    try {
      return {
        user: this.#userOf(claims, text),
        permissions: this.#permissionsOf(claims, text),
        info: readInfo(claimAt(claims, info), info, claimTextAt(claims, text, info)),
        expires,
      };
    } catch (error) {
      throw tokenRefusal(CarillonError.from(error).message, error);
    }
  }

  #userOf(claims: Readonly<Record<string, unknown>>, text: string): string {
    const { user } = this.#claims;
    const value = claimAt(claims, user);
    const digits = this.#integerUser && typeof value === "number" ? claimTextAt(claims, text, user) : undefined;
    return readUser(digits !== undefined && USER_NUMBER.test(digits) ? digits : value, user);
  }

  #permissionsOf(claims: Readonly<Record<string, unknown>>, text: string): Permissions {
    const { permissions } = this.#claims;
    const value = claimAt(claims, permissions);
    return this.#bits?.read(value, claimTextAt(claims, text, permissions) ?? "") ?? readPermissions(value, permissions);
  }

  #forget(): void {
    this.#generation += 1;
    this.#remembered.clear();
  }
}

/** @throws CarillonError invalid_argument, naming the setting */
function bitsOf(grants: BitGrants | undefined): PermissionBits | undefined {
  if (grants === undefined) return undefined;
  try {
    return new PermissionBits(grants);
  } catch (error) {
    throw new CarillonError("invalid_argument", `permission_bits: ${CarillonError.from(error).message}`);
  }
}
