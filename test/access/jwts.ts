import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { SignJWT } from "jose";
import { JwtVerifier, type VerifiedJwt } from "../../src/access/jwt/jwt-verifier.js";
import { ManualClock } from "../support/manual-clock.js";

/** Verifier whose results are always promises, so that tests expect all of them in the same way. */
export class PromisingVerifier extends JwtVerifier {
  override async verify(token: string): Promise<VerifiedJwt> {
    return super.verify(token);
  }
}

/** Start time of tests, in milliseconds since the epoch. */
export const NOW = 1_700_000_000_000;

export function clockAt(now = NOW): ManualClock {
  const clock = new ManualClock();
  clock.advance(now);
  return clock;
}

/** The start time in whole seconds, as in claims. */
export const SECOND: number = NOW / 1_000;

export const SECRET: string = "0123456789abcdef".repeat(4);

export const pairs: Readonly<Record<string, { readonly privateKey: KeyObject; readonly publicKey: KeyObject }>> = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2_048 }),
  rsa2: generateKeyPairSync("rsa", { modulusLength: 2_048 }),
  weak: generateKeyPairSync("rsa", { modulusLength: 1_024 }),
  p256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  p384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  p521: generateKeyPairSync("ec", { namedCurve: "P-521" }),
  k256: generateKeyPairSync("ec", { namedCurve: "secp256k1" }),
  ed25519: generateKeyPairSync("ed25519"),
};

export function pair(name: string): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  const found = pairs[name];
  if (found === undefined) throw new Error(`no pair ${name}`);
  return found;
}

export function pem(name: string): string {
  return pair(name).publicKey.export({ type: "spki", format: "pem" }).toString();
}

export function jwk(name: string, extra: object = {}): Record<string, unknown> {
  return { ...pair(name).publicKey.export({ format: "jwk" }), ...extra };
}

/** Creates a valid token, with these claims added or replaced. */
export function signed(
  key: Parameters<SignJWT["sign"]>[0] | string,
  alg: string,
  claims: object = {},
  header: object = {},
): Promise<string> {
  return new SignJWT({ sub: "eve", exp: SECOND + 60, ...claims })
    .setProtectedHeader({ alg, ...header })
    .sign(typeof key === "string" ? Buffer.from(key) : key);
}

/** Signs exactly these texts with HMAC, for tokens that no library would create. */
export function raw(header: string, claims: string, secret = SECRET, hash = "sha256"): string {
  const text = [header, claims].map((part) => Buffer.from(part).toString("base64url")).join(".");
  return `${text}.${createHmac(hash, secret).update(text).digest("base64url")}`;
}

export function rawWithKey(header: string, claims: string, key: KeyObject): string {
  const text = [header, claims].map((part) => Buffer.from(part).toString("base64url")).join(".");
  return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
}

export const GOOD_CLAIMS: string = JSON.stringify({ sub: "eve", exp: SECOND + 60 });
