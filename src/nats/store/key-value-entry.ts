import type { KvEntry } from "nats";
import type { StoreEntry } from "../../store/store.js";

/**
 * Entries of a store as they are in a bucket. Slashes of keys are dots, so that NATS can tell what begins alike; the
 * other characters of keys are what NATS allows. The first line of a value is `expires=<milliseconds since the epoch>`,
 * or empty; the value follows. NATS servers before 2.11 cannot expire single entries, and no server tells of it.
 */

export interface StoredEntry extends StoreEntry {
  readonly expires: number | undefined;
}

export function bucketKey(key: string): string {
  return key.replaceAll("/", ".");
}

/** A filter that finds at least all keys that begin so. */
export function bucketFilter(prefix: string): string {
  return bucketKey(prefix.slice(0, prefix.lastIndexOf("/") + 1)).concat(">");
}

export function storeKeyOf({ key }: KvEntry): string {
  return key.replaceAll(".", "/");
}

export function bucketValue(value: string, expires: number | undefined): string {
  return `${expires === undefined ? "" : `expires=${expires}`}\n${value}`;
}

/** A value without a first line as above: damage, or put there by another program. */
export const UNREADABLE = Symbol("unreadable");

/** Value of a key in a bucket; undefined for the mark of a deletion. */
export type Found = StoredEntry | typeof UNREADABLE | undefined;

export function storedEntry(entry: KvEntry): Found {
  if (entry.operation !== "PUT") return undefined;
  const text = entry.string();
  const firstLineEnd = text.indexOf("\n");
  const head = /^(?:expires=(?<expires>\d{1,16}))?$/.exec(text.slice(0, Math.max(firstLineEnd, 0)));
  if (firstLineEnd === -1 || head === null) return UNREADABLE;
  const expires = head.groups?.["expires"];
  return {
    key: storeKeyOf(entry),
    value: text.slice(firstLineEnd + 1),
    revision: entry.revision,
    expires: expires === undefined ? undefined : Number(expires),
  };
}

/** Undefined where it has expired, too. */
export function unlessExpired(found: Found, now: number): Found {
  if (found === undefined || found === UNREADABLE) return found;
  return found.expires !== undefined && found.expires <= now ? undefined : found;
}

/** Says that an entry is damaged. Keys are no secrets; values may be. */
export function unreadableText(key: string): string {
  return `store entry ${key} is damaged: it cannot be read`;
}
