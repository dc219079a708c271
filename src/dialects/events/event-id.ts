import { createHash } from "node:crypto";

/**
 * Ids of events. An id has an entry for each topic of a stream: the topic's key and its position. The entries are in any order,
 * separated by `~`. An id that has no room for all entries ends with `~*`.
 */

/** Maximum number of characters of an id. Common proxies accept header fields of twice that size. */
export const MAX_ID_LENGTH = 4_096;

/** Characters of a topic's key: 36 bits of a hash. */
export const KEY_LENGTH = 6;

const SEPARATOR = "~";

/** Stands for the entries for which an id has no room. */
const OTHERS = "*";

/** A topic's key, and nothing or a position in the form of a broker: `m.` memory, `n.` and `a.` NATS. */
const ENTRY = /^[\w-]{6}(?:[mna](?:\.[\w-]+){2,3})?$/;

/** Maximum number of characters of an entry. */
const ENTRY_LENGTH = KEY_LENGTH + 64;

/** Positions of an id. */
export interface EventId {
  /** Positions by key; "" for a topic whose position was not known. */
  readonly positions: ReadonlyMap<string, string>;
  /** Whether the id had no room for all topics. */
  readonly isPartial: boolean;
}

/** Returns the key that stands for a topic in ids. */
export function toTopicKey(topic: string): string {
  return createHash("sha256").update(topic).digest("base64url").slice(0, KEY_LENGTH);
}

/** Joins entries to an id. @param limit - maximum number of characters */
export function joinEntries(entries: Iterable<string>, limit = MAX_ID_LENGTH): string {
  let id = "";
  for (const entry of entries) {
    if (id.length + SEPARATOR.length + entry.length > limit - SEPARATOR.length - OTHERS.length) {
      return id === "" ? OTHERS : id + SEPARATOR + OTHERS;
    }
    id = id === "" ? entry : id + SEPARATOR + entry;
  }
  return id;
}

/** Returns the text that adds further entries to an id. */
export function toSuffix(entries: Iterable<string>, limit: number): string {
  const id = joinEntries(entries, limit);
  return id === "" ? "" : SEPARATOR + id;
}

/** Returns the key of an entry. */
export function readKey(entry: string): string {
  return entry.slice(0, KEY_LENGTH);
}

/** Parses an id. @returns undefined for a text that is not an id of these streams */
export function parseEventId(id: string): EventId | undefined {
  if (id.length > MAX_ID_LENGTH) return undefined;
  const entries = id.split(SEPARATOR);
  const isPartial = entries.at(-1) === OTHERS;
  if (isPartial) entries.pop();
  if (!entries.every((entry) => entry.length <= ENTRY_LENGTH && ENTRY.test(entry))) return undefined;
  return { positions: new Map(entries.map((entry) => [readKey(entry), entry.slice(KEY_LENGTH)])), isPartial };
}
