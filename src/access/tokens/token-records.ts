import { createHash } from "node:crypto";
import type { Store } from "../../store/store.js";

/** Store keys for a vhost's issued tokens. */

/** Key of the secret that signs the vhost's tokens. */
export function secretKey(vhost: string): string {
  return `token-secrets/${encodeVhost(vhost)}`;
}

/** Key of an unused access token. Holds the token's hash, so that a reader of the store cannot use the token. */
export function accessTokenKey(vhost: string, token: string): string {
  return accessTokenPrefix(vhost) + createHash("sha256").update(token).digest("hex");
}

/** Key of the lease on a connection token. */
export function leaseKey(vhost: string, id: string): string {
  return `leases/${encodeVhost(vhost)}/${id}`;
}

/** Revokes every token issued for the vhost. @throws CarillonError unavailable */
export async function forgetTokens(store: Store, vhost: string): Promise<void> {
  await store.delete(secretKey(vhost));
  for (const { key } of await store.list(accessTokenPrefix(vhost))) await store.delete(key);
}

function accessTokenPrefix(vhost: string): string {
  return `access-tokens/${encodeVhost(vhost)}/`;
}

/** Encodes a vhost path in the characters that store keys allow. */
function encodeVhost(vhost: string): string {
  return Buffer.from(vhost).toString("base64url");
}
