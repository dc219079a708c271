import { invalidArgument } from "../errors.js";

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
  if (size > LARGEST_SIZE) throw invalidArgument(`page_size is ${size}, the limit is ${LARGEST_SIZE}`);
  return { after: readToken(token), size: size === 0 ? usual : size };
}

function readToken(token: string): string {
  if (token === "") return "";
  const key = Buffer.from(token, "base64url").toString("utf8");
  if (key !== "" && writeToken(key) === token) return key;
  throw invalidArgument("page_token is none that was given: use next_page_token of the answer before");
}

function writeToken(key: string): string {
  return Buffer.from(key).toString("base64url");
}

/** A node's part of a page. */
export function nodePage<T>(all: Iterable<T>, keyOf: (item: T) => string, query: PageQuery): NodePage<T> {
  const parts = pageInParts(all, { keyOf, itemOf: (item: T) => item }, query);
  for (;;) {
    const part = parts.next();
    if (part.done === true) return part.value;
  }
}

export interface Listed<T, Item> {
  readonly keyOf: (thing: T) => string;
  readonly itemOf: (thing: T) => Item;
}

/**
 * The same, where there may be a great many: each part yields its cost in steps. Things may come and go between parts; one
 * that comes again under its key is in the page once.
 */
export function* pageInParts<T, Item>(
  all: Iterable<T>,
  { itemOf, keyOf }: Listed<T, Item>,
  { after, size }: PageQuery,
): Generator<number, NodePage<Item>> {
  const { first, more } = yield* firstAfter(all, keyOf, after, size);
  const items: Item[] = [];
  let characters = 0;
  for (const thing of first) {
    const item = itemOf(thing);
    const length = JSON.stringify(item).length;
    characters += length;
    // One always fits, else there would be no getting past it.
    if (characters > LARGEST_ANSWER && items.length > 0) return { items, more: true };
    items.push(item);
    yield ITEM_STEPS + length;
  }
  return { items, more };
}

/** Cost of passing over an entry, and of telling one, in steps. */
const PASSING_STEPS = 20;
const ITEM_STEPS = 200;

/** The first so many after a key, without sorting all that there are. */
function* firstAfter<T>(
  all: Iterable<T>,
  keyOf: (item: T) => string,
  after: string,
  size: number,
): Generator<number, { first: readonly T[]; more: boolean }> {
  let first = new Map<string, T>();
  let more = false;
  /** Key after which entries belong to later pages. */
  let horizon: string | undefined;
  const cut = (): void => {
    const sorted = [...first].toSorted(([a], [b]) => compare(a, b));
    more ||= sorted.length > size;
    first = new Map(sorted.slice(0, size));
    if (first.size === size) horizon = sorted[size - 1]?.[0];
  };
  for (const item of all) {
    yield PASSING_STEPS;
    const key = keyOf(item);
    if (key <= after) continue;
    if (horizon !== undefined && key > horizon) {
      more = true;
      continue;
    }
    first.set(key, item);
    if (first.size <= 2 * size + 100) continue;
    cut();
    yield first.size * PASSING_STEPS;
  }
  cut();
  return { first: [...first.values()], more };
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
