import { type JWTVerifyOptions, jwtVerify } from "jose";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { NO_INFO } from "../decide/info.js";
import { Permissions } from "../decide/permissions.js";
import type { Terms } from "../decide/principal.js";
import { MAX_EXPRESSIONS, MAX_TOKEN_PATTERNS, readUser } from "../jwt/claims.js";
import { readSecret, type VerificationKey } from "../jwt/jwt-key.js";
import { describeJwtRefusal } from "../jwt/jwt-refusal.js";
import { readJwt, tokenRefusal } from "../jwt/jwt-text.js";
import { EXPRESSION } from "../patterns/pattern.js";
import type { Authenticated, Authenticator } from "./authenticator.js";

const ALGORITHMS = ["HS256"];
const AUDIENCE = "broadcaster";

/** How far the issuer's clock may be from ours, in milliseconds. */
const LEEWAY = 30_000;

/** The last moment that a Date knows, in seconds. */
const LAST_SECOND = 8.64e12;

/** The characters of channels' names: what holds another, a wildcard say, names no channel. */
const CHANNEL = /^[\w:-]{1,255}$/;

const OPTIONS: JWTVerifyOptions = {
  algorithms: ALGORITHMS,
  audience: AUDIENCE,
  requiredClaims: ["exp"],
  clockTolerance: LEEWAY / 1_000,
};

/** What the rules open to everybody is not open to them, and what everybody may do they may not: the sheet counts. */
const TERMS: Terms = { confined: true, joins: true, sends: false };

/** In characters: they name each channel, and come in a frame, where no header's limit holds. */
const LONGEST = 65_536;

type Claims = Readonly<Record<string, unknown>>;

/** Broadcaster's clients: JWTs by a secret of the vhost's own, and the channels that they name and nothing else. */
export class BroadcasterAuthenticator implements Authenticator {
  readonly terms: Terms = TERMS;
  readonly #clock: Clock;
  readonly #key: VerificationKey | undefined;

  /**
   * @param secret - undefined: nobody is let in
   * @throws CarillonError invalid_argument: one that cannot be, naming it
   */
  constructor(secret: string | undefined, clock: Clock) {
    this.#clock = clock;
    this.#key = secret === undefined ? undefined : keyOf(secret);
  }

  /**
   * @throws CarillonError unauthenticated: what cannot be verified
   * @throws CarillonError invalid_argument: what can, and has no subject or no channels
   */
  async authenticate(credential: string): Promise<Authenticated> {
    if (this.#key === undefined) throw tokenRefusal("the vhost has no secret for tokens of broadcaster");
    const { claims } = readJwt(credential, LONGEST);
    const now = this.#clock.now();
    try {
      await jwtVerify(credential, this.#key, { ...OPTIONS, currentDate: new Date(now) });
    } catch (error) {
      throw describeJwtRefusal(error);
    }
    const expires = expiryOf(claims, now);
    const user = subjectOf(claims);
    const permissions = permissionsOf(claims);
    return { principal: { user, permissions, expires, info: NO_INFO, terms: TERMS }, release: undefined };
  }

  async checkChannelToken(): Promise<void> {
    throw tokenRefusal("broadcaster has no tokens for channels");
  }
}

/** Secrets of systems that run are taken as they are. */
function keyOf(secret: string): VerificationKey {
  try {
    return readSecret(secret, ALGORITHMS, true).key;
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    throw new CarillonError(code, `broadcaster.${message}`, { cause: error });
  }
}

/** In milliseconds since the epoch. */
function expiryOf({ exp, iat }: Claims, now: number): number {
  if (typeof exp !== "number" || exp > LAST_SECOND) throw tokenRefusal("its time of expiry (exp) cannot be");
  if (iat !== undefined && (typeof iat !== "number" || iat * 1_000 > now + LEEWAY)) {
    throw tokenRefusal("it was issued in the future (iat)");
  }
  return exp * 1_000 + LEEWAY;
}

function subjectOf({ sub }: Claims): string {
  try {
    return readUser(sub, "sub");
  } catch (cause) {
    throw new CarillonError("invalid_argument", "invalid subject claim", { cause });
  }
}

function permissionsOf(claims: Claims): Permissions {
  const channels = namesAt(claims, "authorizedChannels");
  if (channels.length === 0) throw new CarillonError("invalid_argument", "authorized channels cannot be empty");
  const scope = namesAt(claims, "scope");
  const patterns = channels.filter((name) => CHANNEL.test(name)).map(exactly);
  if (patterns.length > MAX_TOKEN_PATTERNS || patterns.filter(isExpression).length > MAX_EXPRESSIONS) {
    throw new CarillonError("invalid_argument", "authorized channels: too many");
  }
  return Permissions.of({
    join: scope.includes("subscribe") ? patterns : [],
    publish: scope.includes("publish") ? patterns : [],
  });
}

/** Nothing of a name means anything in an expression but itself. */
function exactly(name: string): string {
  return isExpression(name) ? EXPRESSION + name : name;
}

function isExpression(name: string): boolean {
  return name.startsWith(EXPRESSION);
}

function namesAt(claims: Claims, called: string): readonly string[] {
  const value = Object.hasOwn(claims, called) ? (claims[called] ?? []) : [];
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  throw tokenRefusal(`its ${called} is not a list of strings`);
}
