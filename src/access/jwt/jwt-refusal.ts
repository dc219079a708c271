import { errors, type JWTVerifyOptions, jwtVerify } from "jose";
import { CarillonError } from "../../errors.js";
import type { VerificationKey } from "./jwt-key.js";
import { tokenRefusal } from "./jwt-text.js";

const CLAIMS: Readonly<Record<string, string>> = {
  nbf: "it is not valid yet",
  iss: "it is of another issuer",
  aud: "it is for another audience",
  iat: "its time of issue (iat) is not a number",
  exp: "its time of expiry (exp) is not a number",
};

/** What a client is told of why jose did not take its token. Nothing of it is jose's own text. */
export function describeJwtRefusal(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error;
  if (error instanceof errors.JWTExpired) return tokenRefusal("it has expired", error);
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === "missing") return tokenRefusal(`it has no ${error.claim}`, error);
    return tokenRefusal(CLAIMS[error.claim] ?? "a claim is wrong", error);
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return tokenRefusal("it is not signed by an algorithm that is allowed", error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return tokenRefusal("its signature is wrong", error);
  if (error instanceof errors.JWKSNoMatchingKey) return tokenRefusal("its key is none of the issuer's", error);
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return tokenRefusal("it does not say which of the keys (kid)", error);
  return tokenRefusal("it cannot be verified", error);
}

/** Demands on a JWT beside its signature. */
export interface SignatureDemands {
  readonly algorithms: readonly string[];
  readonly audience?: string;
  /** Tolerance for times, in milliseconds. */
  readonly leeway?: number;
  /** In milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Verifies a JWT with a fixed key; it must have an expiry.
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
