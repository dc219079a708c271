import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { SignJWT } from "jose";
import type { ConfigInput } from "../../src/index.js";

type VhostInput = NonNullable<NonNullable<ConfigInput["vhosts"]>[string]>;

/** Somebody who makes tokens for clients, and what a vhost must know to check them. */
export interface Issuer {
  readonly algorithm: string;
  readonly key: KeyObject | Uint8Array;
  readonly jwt: NonNullable<VhostInput["jwt"]>;
}

export function hmacIssuer(): Issuer {
  const secret = randomBytes(32).toString("hex");
  return { algorithm: "HS256", key: Buffer.from(secret), jwt: { secret } };
}

export function rsaIssuer(): Issuer {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  return issuerOf("RS256", privateKey, publicKey);
}

export function edwardsIssuer(): Issuer {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return issuerOf("EdDSA", privateKey, publicKey);
}

/** A token for each of so many users. */
export function tokensOf({ algorithm, key }: Issuer, users: number, permissions: object): Promise<string[]> {
  const sign = (user: number): Promise<string> =>
    new SignJWT({ permissions })
      .setSubject(`user-${user}`)
      .setProtectedHeader({ alg: algorithm })
      .setExpirationTime("2h")
      .sign(key);
  return Promise.all(Array.from({ length: users }, (_, user) => sign(user)));
}

/** A backend's key, and its entry in the configuration. */
export function backendKey() {
  const key = `ck_${randomBytes(32).toString("base64url")}`;
  const hash = `sha256:${createHash("sha256").update(key).digest("hex")}`;
  return { key, entry: { name: "bench", hash, actions: ["*" as const] } };
}

function issuerOf(algorithm: string, key: KeyObject, publicKey: KeyObject): Issuer {
  return { algorithm, key, jwt: { public_key: publicKey.export({ type: "spki", format: "pem" }).toString() } };
}
