import { createHash, randomBytes } from "node:crypto";

export interface CreatedKey {
  /** To be shown once: `ck_` and 43 characters of base64url. */
  readonly secret: string;
  /** What is kept: SHA-256, 64 hexadecimal digits. */
  readonly hash: string;
}

/** Makes a backend's key: 256 random bits, so that a plain hash is enough to keep. */
export function createKey(): CreatedKey {
  const secret = `ck_${randomBytes(32).toString("base64url")}`;
  return { secret, hash: hashKey(secret) };
}

/** 64 hexadecimal digits. Keys are looked up by it, so that the time it takes tells nothing of other keys. */
export function hashKey(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
