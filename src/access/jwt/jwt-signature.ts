import { createHmac, timingSafeEqual } from "node:crypto";
import { type CompactVerifyGetKey, compactVerify, errors } from "jose";
import { CarillonError } from "../../errors.js";
import { HMAC_BYTES, type VerificationKey } from "./jwt-key.js";
import { type JwtParts, tokenRefusal } from "./jwt-text.js";
import { type ClaimRequirements, checkRegisteredClaims } from "./registered-claims.js";

/** Requirements for a JWT. */
export interface JwtRequirements extends ClaimRequirements {
  /** Allowed signing algorithms. */
  readonly algorithms: readonly string[];
}

/**
 * Verifies the signature of a JWT, and then its registered claims.
 * @param key - a secret, a public key, or a function that finds a public key by the header
 * @returns a promise for a public key; undefined if a secret has verified the token in this turn
 * @throws CarillonError unauthenticated; the errors of the function
 */
export function verifyJwt(
  jwt: JwtParts,
  key: VerificationKey | CompactVerifyGetKey,
  requirements: JwtRequirements,
): Promise<void> | undefined {
  if (!(key instanceof Uint8Array)) {
    return verifyWithPublicKey(jwt, key, requirements.algorithms).then(() =>
      checkRegisteredClaims(jwt.claims, requirements),
    );
  }
  verifyHmac(jwt, key, requirements.algorithms);
  checkRegisteredClaims(jwt.claims, requirements);
  return undefined;
}

/**
 * Verifies an HMAC signature in this turn. The Web Crypto API, which jose uses, takes 20 times as long for a text as short as
 * a token, because it hands the work to another thread.
 */
function verifyHmac(
  { header, signature, signedText }: JwtParts,
  secret: Uint8Array,
  algorithms: readonly string[],
): void {
  const { alg } = header;
  if (typeof alg !== "string" || alg === "") throw tokenRefusal("verification failed");
  const bytes = HMAC_BYTES.get(alg);
  if (bytes === undefined || !algorithms.includes(alg)) throw tokenRefusal("signing algorithm not allowed");
  const expected = createHmac(`sha${bytes * 8}`, secret)
    .update(signedText)
    .digest();
  const given = Buffer.from(signature, "base64url");
  // The length of the text shows characters that decoding ignores.
  const isWhole = signature.length === Math.ceil((bytes * 4) / 3) && given.length === bytes;
  if (!isWhole || !timingSafeEqual(given, expected)) throw tokenRefusal("invalid signature");
}

async function verifyWithPublicKey(
  { token }: JwtParts,
  key: Exclude<VerificationKey, Uint8Array> | CompactVerifyGetKey,
  algorithms: readonly string[],
): Promise<void> {
  const options = { algorithms: [...algorithms] };
  try {
    if (typeof key === "function") await compactVerify(token, key, options);
    else await compactVerify(token, key, options);
  } catch (error) {
    throw describeRefusal(error);
  }
}

/** Converts jose's error to one for the client, without jose's own text. */
function describeRefusal(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error;
  if (error instanceof errors.JOSEAlgNotAllowed) return tokenRefusal("signing algorithm not allowed", error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return tokenRefusal("invalid signature", error);
  if (error instanceof errors.JWKSNoMatchingKey) return tokenRefusal("unknown signing key", error);
  if (error instanceof errors.JWKSMultipleMatchingKeys) return tokenRefusal("ambiguous signing key: no kid", error);
  return tokenRefusal("verification failed", error);
}
