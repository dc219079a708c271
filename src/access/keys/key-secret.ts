import { createHash, randomBytes } from "node:crypto";

export interface CreatedKey {
  /** Key, which is shown only once: `ck_` and 43 characters of base64url. */
  readonly secret: string;
  /** SHA-256 of the key, to store: 64 hexadecimal digits. */
  readonly hash: string;
}

/** Creates a backend's key of 256 random bits. They cannot be guessed, so a fast hash suffices to store the key. */
export function createKey(): CreatedKey {
  const secret = `ck_${randomBytes(32).toString("base64url")}`;
  return { secret, hash: hashKey(secret) };
}

/** Hashes a key to 64 hexadecimal digits. Keys are looked up by hash, so that timing reveals nothing about stored keys. */
export function hashKey(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
