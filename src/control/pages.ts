import { invalid } from "./checks.js";

const USUAL_SIZE = 100;
const LARGEST_SIZE = 1_000;
/** What one node answers with at most, in characters of JSON: a page of large things is shorter. */
const LARGEST_ANSWER = 512 * 1_024;

/** What is asked of each node: what comes after a key, in the order of keys. */
export type PageQuery = { readonly after: string; readonly size: number };

/** What a node has of it; `more`: there is something after the last. */
export type NodePage<T> = { readonly items: readonly T[]; readonly more: boolean };

export interface Page<T> {
  readonly items: readonly T[];
  /** "" on the last page. */
  readonly nextPageToken: string;
}

/**
 * A token holds the key of the last thing shown: what comes and goes meanwhile moves nothing, and nothing that stays is
 * shown twice or left out.
 * @throws CarillonError invalid_argument
 */
export function pageQuery(size: number, token: string, usual: number = USUAL_SIZE): PageQuery {
  if (size > LARGEST_SIZE) throw invalid(`page_size is ${size}, the limit is ${LARGEST_SIZE}`);
  return { after: readToken(token), size: size === 0 ? usual : size };
}

function readToken(token: string): string {
  if (token === "") return "";
  const key = Buffer.from(token, "base64url").toString("utf8");
  if (key !== "" && writeToken(key) === token) return key;
  throw invalid("page_token is none that was given: use next_page_token of the answer before");
}

function writeToken(key: string): string {
  return Buffer.from(key).toString("base64url");
}

/** A node's part of a page. */
export function nodePage<T>(all: Iterable<T>, keyOf: (item: T) => string, { after, size }: PageQuery): NodePage<T> {
  const { first, more } = firstAfter(all, keyOf, after, size);
  let characters = 0;
  for (const [position, item] of first.entries()) {
    characters += JSON.stringify(item).length;
    // One always fits, else there would be no getting past it.
    if (characters > LARGEST_ANSWER && position > 0) return { items: first.slice(0, position), more: true };
  }
  return { items: first, more };
}

/** The first so many after a key, without sorting all that there are. */
function firstAfter<T>(all: Iterable<T>, keyOf: (item: T) => string, after: string, size: number) {
  const byKey = (a: T, b: T): number => compare(keyOf(a), keyOf(b));
  let first: T[] = [];
  let more = false;
  const cut = (): void => {
    first.sort(byKey);
    more ||= first.length > size;
    first = first.slice(0, size);
  };
  for (const item of all) {
    if (keyOf(item) <= after) continue;
    first.push(item);
    if (first.length > 2 * size + 100) cut();
  }
  cut();
  return { first, more };
}

/**
 * One page of what the nodes have. A node that has more says nothing of what comes after its last, so the page ends
 * there.
 * @param add - puts two of the same key together
 */
export function mergedPage<T>(
  parts: Iterable<NodePage<T>>,
  keyOf: (item: T) => string,
  size: number,
  add: (a: T, b: T) => T,
): Page<T> {
  const merged = new Map<string, T>();
  let horizon: string | undefined;
  for (const { items, more } of parts) {
    for (const item of items) {
      const key = keyOf(item);
      const other = merged.get(key);
      merged.set(key, other === undefined ? item : add(other, item));
    }
    const last = items.at(-1);
    if (!more || last === undefined) continue;
    const lastKey = keyOf(last);
    if (horizon === undefined || lastKey < horizon) horizon = lastKey;
  }
  const known = [...merged].toSorted(([a], [b]) => compare(a, b));
  const sure = known.filter(([key]) => horizon === undefined || key <= horizon);
  const shown = sure.slice(0, size);
  const isLast = horizon === undefined && shown.length === sure.length;
  return {
    items: shown.map(([, item]) => item),
    nextPageToken: isLast ? "" : writeToken(shown.at(-1)?.[0] ?? ""),
  };
}

/** By code units, as every node does it, whatever its locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
