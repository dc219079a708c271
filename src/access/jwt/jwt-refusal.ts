import { errors, type JWTVerifyOptions, jwtVerify } from "jose";
import { CarillonError } from "../../errors.js";
import type { VerificationKey } from "./jwt-key.js";
import { tokenRefusal } from "./jwt-text.js";

const CLAIMS: Readonly<Record<string, string>> = {
  nbf: "not valid yet (nbf)",
  iss: "wrong issuer (iss)",
  aud: "wrong audience (aud)",
  iat: "time of issue (iat) is not a number",
  exp: "expiry (exp) is not a number",
};

/** Converts jose's error to one for the client, without jose's own text. */
export function describeJwtRefusal(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error;
  if (error instanceof errors.JWTExpired) return tokenRefusal("expired", error);
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === "missing") return tokenRefusal(`missing claim ${error.claim}`, error);
    return tokenRefusal(CLAIMS[error.claim] ?? "invalid claim", error);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return tokenRefusal("signing algorithm not allowed", error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return tokenRefusal("invalid signature", error);
  if (error instanceof errors.JWKSNoMatchingKey) return tokenRefusal("unknown signing key", error);
  if (error instanceof errors.JWKSMultipleMatchingKeys) return tokenRefusal("ambiguous signing key: no kid", error);
  return tokenRefusal("verification failed", error);
}

/** Requirements for a JWT besides a valid signature. */
export interface SignatureDemands {
  readonly algorithms: readonly string[];
  readonly audience?: string;
  /** Tolerance for times, in milliseconds. */
  readonly leeway?: number;
  /** In milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Verifies a JWT with a fixed key. The JWT must have an expiry.
 * @throws CarillonError unauthenticated
 */
export async function verifySignature(token: string, key: VerificationKey, demands: SignatureDemands): Promise<void> {
  const { algorithms, audience, leeway = 0, now } = demands;
  const options: JWTVerifyOptions = {
    algorithms: [...algorithms],
    requiredClaims: ["exp"],
    clockTolerance: leeway / 1_000,
    currentDate: new Date(now),
    ...(audience === undefined ? {} : { audience }),
  };
  try {
    await jwtVerify(token, key, options);
  } catch (error) {
    throw describeJwtRefusal(error);
  }
}
