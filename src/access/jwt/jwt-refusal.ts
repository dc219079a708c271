import { errors } from "jose";
import { CarillonError } from "../../errors.js";
import { refusal } from "./jwt-text.js";

const CLAIMS: Readonly<Record<string, string>> = {
  nbf: "it is not valid yet",
  iss: "it is of another issuer",
  aud: "it is for another audience",
  iat: "its time of issue (iat) is not a number",
  exp: "its time of expiry (exp) is not a number",
};

/** What a client is told of why jose did not take its token. Nothing of it is jose's own text. */
export function refusalOf(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error;
  if (error instanceof errors.JWTExpired) return refusal("it has expired", error);
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === "missing") return refusal(`it has no ${error.claim}`, error);
    return refusal(CLAIMS[error.claim] ?? "a claim is wrong", error);
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refusal("it is not signed by an algorithm that is allowed", error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return refusal("its signature is wrong", error);
  if (error instanceof errors.JWKSNoMatchingKey) return refusal("its key is none of the issuer's", error);
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return refusal("it does not say which of the keys (kid)", error);
  return refusal("it cannot be verified", error);
}
