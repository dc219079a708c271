import type { KvEntry } from "nats";
import type { StoreEntry } from "../../store/store.js";

/**
 * Format of a store's entries in a bucket. Slashes in keys become dots, so that NATS can filter by prefix; NATS allows all
 * other characters of keys. The first line of a value is `expires=<milliseconds since the epoch>`, or empty; the value
 * follows. The expiry of NATS is not used, because servers before 2.11 cannot expire single entries, and no server reports
 * an expiry to watchers.
 */

export interface StoredEntry extends StoreEntry {
  readonly expires: number | undefined;
}

export function toBucketKey(key: string): string {
  return key.replaceAll("/", ".");
}

/** Returns a filter that matches all keys with the prefix, and possibly others. */
export function toBucketFilter(prefix: string): string {
  return toBucketKey(prefix.slice(0, prefix.lastIndexOf("/") + 1)).concat(">");
}

export function toStoreKey({ key }: KvEntry): string {
  return key.replaceAll(".", "/");
}

export function encodeValue(value: string, expires: number | undefined): string {
  return `${expires === undefined ? "" : `expires=${expires}`}\n${value}`;
}

/** Result for a value without a valid first line, because of damage or another program. */
export const UNREADABLE = Symbol("unreadable");

/** Entry of a key in a bucket; undefined for a deletion marker. */
export type FoundEntry = StoredEntry | typeof UNREADABLE | undefined;

export function decodeEntry(entry: KvEntry): FoundEntry {
  if (entry.operation !== "PUT") return undefined;
  const text = entry.string();
  const firstLineEnd = text.indexOf("\n");
  const head = /^(?:expires=(?<expires>\d{1,16}))?$/.exec(text.slice(0, Math.max(firstLineEnd, 0)));
  if (firstLineEnd === -1 || head === null) return UNREADABLE;
  const expires = head.groups?.["expires"];
  return {
    key: toStoreKey(entry),
    value: text.slice(firstLineEnd + 1),
    revision: entry.revision,
    expires: expires === undefined ? undefined : Number(expires),
  };
}

/** Returns the entry, or undefined when it has expired. */
export function dropExpired(found: FoundEntry, now: number): FoundEntry {
  if (found === undefined || found === UNREADABLE) return found;
  return found.expires !== undefined && found.expires <= now ? undefined : found;
}

/** Error text for a damaged entry. Shows the key, which is never a secret; a value may be. */
export function describeUnreadable(key: string): string {
  return `store entry ${key} is damaged: it cannot be read`;
}
