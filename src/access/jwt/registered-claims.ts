import { tokenRefusal } from "./jwt-text.js";

/** Requirements for the registered claims of a JWT. Source: RFC 7519 §4.1. */
export interface ClaimRequirements {
  /** Whether the token must have an expiry; default: true. */
  readonly requireExp?: boolean | undefined;
  /** Allowed issuers; default: any or none. */
  readonly issuers?: readonly string[] | undefined;
  /** Audiences of which the token must have one; default: any or none. */
  readonly audiences?: readonly string[] | undefined;
  /** Tolerance for times, in milliseconds; default: 0. */
  readonly leeway?: number | undefined;
  /** In milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Checks issuer, audience and times of a JWT whose signature is valid.
 * @throws CarillonError unauthenticated
 */
export function checkRegisteredClaims(
  claims: Readonly<Record<string, unknown>>,
  requirements: ClaimRequirements,
): void {
  const { audiences, issuers, leeway = 0, now, requireExp = true } = requirements;
  if (issuers !== undefined) requireClaim(claims, "iss");
  if (audiences !== undefined) requireClaim(claims, "aud");
  if (requireExp) requireClaim(claims, "exp");
  const { aud, exp, iat, iss, nbf } = claims;
  if (issuers?.some((issuer) => issuer === iss) === false) throw tokenRefusal("wrong issuer (iss)");
  if (audiences !== undefined && !hasAudience(aud, audiences)) throw tokenRefusal("wrong audience (aud)");
  if (iat !== undefined && typeof iat !== "number") throw tokenRefusal("time of issue (iat) is not a number");
  // Claims are in whole seconds, and a token is valid from the beginning of the first to the beginning of the last.
  const second = Math.floor(now / 1_000);
  const tolerance = leeway / 1_000;
  if (nbf !== undefined && !(typeof nbf === "number" && nbf <= second + tolerance)) {
    throw tokenRefusal("not valid yet (nbf)");
  }
  if (exp === undefined) return;
  if (typeof exp !== "number") throw tokenRefusal("expiry (exp) is not a number");
  if (exp <= second - tolerance) throw tokenRefusal("expired");
}

function requireClaim(claims: Readonly<Record<string, unknown>>, name: string): void {
  if (!Object.hasOwn(claims, name)) throw tokenRefusal(`missing claim ${name}`);
}

function hasAudience(aud: unknown, audiences: readonly string[]): boolean {
  const given: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return audiences.some((audience) => given.includes(audience));
}
