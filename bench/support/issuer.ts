import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { SignJWT } from "jose";
import type { ConfigInput } from "../../src/index.js";

type VhostInput = NonNullable<NonNullable<ConfigInput["vhosts"]>[string]>;

/** Issuer of client tokens, with the vhost's settings to verify them. */
export interface Issuer {
  readonly algorithm: string;
  readonly key: KeyObject | Uint8Array;
  readonly jwt: NonNullable<VhostInput["jwt"]>;
}

export function createHmacIssuer(): Issuer {
  const secret = randomBytes(32).toString("hex");
  return { algorithm: "HS256", key: Buffer.from(secret), jwt: { secret } };
}

export function createRsaIssuer(): Issuer {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  return createIssuer("RS256", privateKey, publicKey);
}

export function createEdwardsIssuer(): Issuer {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return createIssuer("EdDSA", privateKey, publicKey);
}

/** Signs a token for each of several users. */
export function signTokens({ algorithm, key }: Issuer, users: number, permissions: object): Promise<string[]> {
  const sign = (user: number): Promise<string> =>
    new SignJWT({ permissions })
      .setSubject(`user-${user}`)
      .setProtectedHeader({ alg: algorithm })
      .setExpirationTime("2h")
      .sign(key);
  return Promise.all(Array.from({ length: users }, (_, user) => sign(user)));
}

/** Creates a backend's key and its configuration entry. */
export function createBackendKey() {
  const key = `ck_${randomBytes(32).toString("base64url")}`;
  const hash = `sha256:${createHash("sha256").update(key).digest("hex")}`;
  return { key, entry: { name: "bench", hash, actions: ["*" as const] } };
}

function createIssuer(algorithm: string, key: KeyObject, publicKey: KeyObject): Issuer {
  return { algorithm, key, jwt: { public_key: publicKey.export({ type: "spki", format: "pem" }).toString() } };
}
