import type { Authenticated, Authenticator } from "../../access/authenticators/authenticator.js";
import { NO_INFO } from "../../access/decide/info.js";
import { Permissions } from "../../access/decide/permissions.js";
import type { Terms } from "../../access/decide/principal.js";
import { MAX_EXPRESSIONS, MAX_TOKEN_PATTERNS, readUser } from "../../access/jwt/claims.js";
import { readSecret, type VerificationKey } from "../../access/jwt/jwt-key.js";
import { verifyJwt } from "../../access/jwt/jwt-signature.js";
import { readJwt, tokenRefusal } from "../../access/jwt/jwt-text.js";
import { EXPRESSION } from "../../access/patterns/pattern.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";

const ALGORITHMS = ["HS256"];
const AUDIENCE = "broadcaster";

/** Tolerated difference between the issuer's clock and this node's, in milliseconds. */
const LEEWAY = 30_000;

/** Latest time that a Date can hold, in seconds. */
const LAST_SECOND = 8.64e12;

/** Names of channels. A name with any other character, such as a wildcard, is ignored. */
const CHANNEL = /^[\w:-]{1,255}$/;

/** Permissions come from the token only. Neither rules nor the permissions of every client add to them. */
const TERMS: Terms = { ignoresOpenRules: true, mayJoin: true, mayPublishToJoined: false };

/**
 * Longest token, in characters. It may be long because it names each channel. It arrives in a frame, so no limit of headers
 * applies.
 */
const LONGEST = 65_536;

type Claims = Readonly<Record<string, unknown>>;

/** Authenticates Broadcaster's clients by JWTs signed with the vhost's own secret, which allow the channels that they name. */
export class BroadcasterAuthenticator implements Authenticator {
  readonly terms: Terms = TERMS;
  readonly #clock: Clock;
  readonly #key: VerificationKey | undefined;

  /**
   * @param secret - undefined: every token is refused
   * @throws CarillonError invalid_argument: an unsuitable secret
   */
  constructor(secret: string | undefined, clock: Clock) {
    this.#clock = clock;
    // Short secrets are accepted, because existing systems may use them.
    this.#key = secret === undefined ? undefined : readSecret(secret, ALGORITHMS, true).key;
  }

  /**
   * @throws CarillonError unauthenticated: the token cannot be verified
   * @throws CarillonError invalid_argument: a verified token without a subject or channels
   */
  async authenticate(credential: string): Promise<Authenticated> {
    if (this.#key === undefined) throw tokenRefusal("the vhost has no secret for Broadcaster tokens");
    const jwt = readJwt(credential, LONGEST);
    const { claims } = jwt;
    const now = this.#clock.now();
    await verifyJwt(jwt, this.#key, { algorithms: ALGORITHMS, audiences: [AUDIENCE], leeway: LEEWAY, now });
    const expires = readExpiry(claims, now);
    const user = readSubject(claims);
    const permissions = readGrants(claims);
    return { principal: { user, permissions, expires, info: NO_INFO, terms: TERMS }, release: undefined };
  }

  async checkChannelToken(): Promise<void> {
    throw tokenRefusal("Broadcaster has no channel tokens");
  }
}

/** Returns the expiry, in milliseconds since the epoch. */
function readExpiry({ exp, iat }: Claims, now: number): number {
  if (typeof exp !== "number" || exp > LAST_SECOND) throw tokenRefusal("invalid expiry (exp)");
  if (iat !== undefined && (typeof iat !== "number" || iat * 1_000 > now + LEEWAY)) {
    throw tokenRefusal("issued in the future (iat)");
  }
  return exp * 1_000 + LEEWAY;
}

function readSubject({ sub }: Claims): string {
  try {
    return readUser(sub, "sub");
  } catch (cause) {
    throw new CarillonError("invalid_argument", "invalid subject claim", { cause });
  }
}

function readGrants(claims: Claims): Permissions {
  const channels = readNames(claims, "authorizedChannels");
  if (channels.length === 0) throw new CarillonError("invalid_argument", "authorized channels cannot be empty");
  const scope = readNames(claims, "scope");
  const patterns = channels.filter((name) => CHANNEL.test(name)).map(toExactPattern);
  if (patterns.length > MAX_TOKEN_PATTERNS || patterns.filter(isExpression).length > MAX_EXPRESSIONS) {
    throw new CarillonError("invalid_argument", "authorized channels: too many");
  }
  return Permissions.of({
    join: scope.includes("subscribe") ? patterns : [],
    publish: scope.includes("publish") ? patterns : [],
  });
}

/** Returns a pattern that matches exactly one name. Valid names contain no special characters of expressions. */
function toExactPattern(name: string): string {
  return isExpression(name) ? EXPRESSION + name : name;
}

function isExpression(name: string): boolean {
  return name.startsWith(EXPRESSION);
}

function readNames(claims: Claims, called: string): readonly string[] {
  const value = Object.hasOwn(claims, called) ? (claims[called] ?? []) : [];
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  throw tokenRefusal(`${called} is not a list of strings`);
}
