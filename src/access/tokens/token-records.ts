import { createHash } from "node:crypto";
import type { Store } from "../../store/store.js";

/** How what concerns a vhost's issued tokens is kept in the store. */

/** What Carillon signs the vhost's tokens with. */
export function secretKey(vhost: string): string {
  return `token-secrets/${segmentOf(vhost)}`;
}

/** A single access token that has not been used: by its hash, so that who reads the store cannot use it. */
export function accessTokenKey(vhost: string, token: string): string {
  return accessTokensOf(vhost) + createHash("sha256").update(token).digest("hex");
}

/** Whoever holds the connection token of this id. */
export function leaseKey(vhost: string, id: string): string {
  return `leases/${segmentOf(vhost)}/${id}`;
}

/** Makes every token worthless that was issued for the vhost. @throws CarillonError unavailable */
export async function forgetTokens(store: Store, vhost: string): Promise<void> {
  await store.delete(secretKey(vhost));
  for (const { key } of await store.list(accessTokensOf(vhost))) await store.delete(key);
}

function accessTokensOf(vhost: string): string {
  return `access-tokens/${segmentOf(vhost)}/`;
}

/** A key's characters are few. */
function segmentOf(vhost: string): string {
  return Buffer.from(vhost).toString("base64url");
}
