import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { CarillonError, invalidArgument } from "../../errors.js";

/** Key that verifies signatures. */
export type VerificationKey = KeyObject | Uint8Array;

/** A key and the algorithms allowed with it. A token's header never decides how a key is used. */
export interface KeyWithAlgorithms {
  readonly key: VerificationKey;
  readonly algorithms: readonly string[];
}

/** Lengths of the hashes of HMAC's algorithms, in bytes. They are the minimum lengths of secrets. Source: RFC 7518 §3.2. */
export const HMAC_BYTES: ReadonlyMap<string, number> = new Map([
  ["HS256", 32],
  ["HS384", 48],
  ["HS512", 64],
]);

const HMAC = [...HMAC_BYTES.keys()];

const RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const EDDSA = ["EdDSA", "Ed25519"];

/** Algorithms by curve, in OpenSSL's names. */
const EC: Readonly<Record<string, string>> = { prime256v1: "ES256", secp384r1: "ES384", secp521r1: "ES512" };

/** Algorithms for keys of a JWKS. Excludes HMAC, because its keys are secret and a JWKS is public. */
export const ASYMMETRIC: readonly string[] = [...RSA, ...Object.values(EC), ...EDDSA];

/** Reads an HMAC secret. @throws CarillonError invalid_argument: too short, or a public key by mistake */
export function readSecret(
  secret: string | Uint8Array,
  configured: readonly string[] | undefined,
  allowShort: boolean,
): KeyWithAlgorithms {
  const key = typeof secret === "string" ? Buffer.from(secret) : secret;
  // A public key used as the secret would let anyone sign tokens.
  if (Buffer.from(key).includes("-----BEGIN") || isJwk(Buffer.from(key).toString())) {
    throw invalidArgument("secret: this is a public key or certificate; give it as public_key");
  }
  const algorithms = configured ?? HMAC.filter((name) => key.length >= (HMAC_BYTES.get(name) ?? 0));
  const chosen = algorithms.length === 0 ? ["HS256"] : algorithms;
  checkAlgorithms(chosen, HMAC, "a secret");
  for (const name of chosen) {
    const minimum = HMAC_BYTES.get(name) ?? 0;
    if (key.length === 0) throw invalidArgument("secret: must not be empty");
    if (key.length < minimum && !allowShort) {
      throw invalidArgument(
        `secret: ${name} requires at least ${minimum} bytes; \`openssl rand -hex ${minimum}\` generates them`,
      );
    }
  }
  return { key, algorithms: chosen };
}

/**
 * Reads a public key.
 * @param text - a public key as PEM (SPKI), an X.509 certificate as PEM, or a JWK as JSON
 * @throws CarillonError invalid_argument: unreadable, private, too weak, or not for these algorithms
 */
export function readPublicKey(text: string, configured: readonly string[] | undefined): KeyWithAlgorithms {
  const key = parsePublicKey(text.trim());
  const [supported, keyKind] = findAlgorithms(key);
  checkAlgorithms(configured ?? supported, supported, keyKind);
  return { key, algorithms: configured ?? supported };
}

/** Checks that the key supports all configured algorithms. @throws CarillonError invalid_argument */
export function checkAlgorithms(configured: readonly string[], supported: readonly string[], keyKind: string): void {
  if (configured.length === 0) throw invalidArgument("algorithms: expected at least one");
  for (const name of configured) {
    if (!supported.includes(name)) {
      throw invalidArgument(
        `algorithms: ${JSON.stringify(name)} cannot be used with ${keyKind}; expected one of ${supported.join(", ")}`,
      );
    }
  }
}

function parsePublicKey(text: string): KeyObject {
  if (text.includes("PRIVATE KEY-----") || (isJwk(text) && "d" in (JSON.parse(text) as object))) {
    throw invalidArgument("public_key: this is a private key; expected the public key");
  }
  try {
    if (text.includes("-----BEGIN CERTIFICATE-----")) return new X509Certificate(text).publicKey;
    if (isJwk(text)) return createPublicKey({ key: JSON.parse(text) as Record<string, string>, format: "jwk" });
    return createPublicKey(text);
  } catch (cause) {
    throw new CarillonError(
      "invalid_argument",
      "public_key: malformed; expected PEM (PUBLIC KEY or CERTIFICATE) or a JWK",
      { cause },
    );
  }
}

function findAlgorithms(key: KeyObject): [fitting: readonly string[], what: string] {
  const { modulusLength = 0, namedCurve = "" } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "rsa") {
    // Source: RFC 7518 §3.3.
    if (modulusLength < 2_048) throw invalidArgument("public_key: RSA keys need at least 2048 bits");
    return [RSA, "an RSA key"];
  }
  if (key.asymmetricKeyType === "ed25519") return [EDDSA, "an Ed25519 key"];
  const algorithm = key.asymmetricKeyType === "ec" ? EC[namedCurve] : undefined;
  if (algorithm !== undefined) return [[algorithm], `an EC key on ${namedCurve}`];
  throw invalidArgument("public_key: expected RSA, EC on P-256, P-384 or P-521, or Ed25519");
}

function isJwk(text: string): boolean {
  if (!text.trimStart().startsWith("{")) return false;
  try {
    return "kty" in (JSON.parse(text) as object);
  } catch {
    return false;
  }
}
