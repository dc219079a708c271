import { invalidArgument } from "../errors.js";

const DEFAULT_SIZE = 100;
const MAX_SIZE = 1_000;
/** Maximum size of one node's answer, in characters of JSON. A page of large items has fewer of them. */
const MAX_ANSWER = 512 * 1_024;

/** Query for the first `size` items after a key, in the order of keys. */
export type PageQuery = { readonly after: string; readonly size: number };

/** Page of one node. `more`: the node has items after the last one. */
export type NodePage<T> = { readonly items: readonly T[]; readonly more: boolean };

export interface Page<T> {
  readonly items: readonly T[];
  /** "" on the last page. */
  readonly nextPageToken: string;
}

/**
 * Reads the parameters of a page. The token holds the key of the last item. Items added or removed meanwhile therefore neither
 * repeat nor hide others.
 * @throws CarillonError invalid_argument
 */
export function readPageQuery(size: number, token: string, defaultSize: number = DEFAULT_SIZE): PageQuery {
  if (size > MAX_SIZE) throw invalidArgument(`page_size: expected at most ${MAX_SIZE}, got ${size}`);
  return { after: readToken(token), size: size === 0 ? defaultSize : size };
}

function readToken(token: string): string {
  if (token === "") return "";
  const key = Buffer.from(token, "base64url").toString("utf8");
  if (key !== "" && writeToken(key) === token) return key;
  throw invalidArgument("invalid page_token: use next_page_token of the previous answer");
}

function writeToken(key: string): string {
  return Buffer.from(key).toString("base64url");
}

/** Returns one node's page of a query. */
export function toNodePage<T>(all: Iterable<T>, keyOf: (item: T) => string, query: PageQuery): NodePage<T> {
  const steps = pageInSteps(all, { keyOf, itemOf: (item: T) => item }, query);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Functions that return the key and the result of a list's entry. */
export interface PageSource<T, Item> {
  readonly keyOf: (entry: T) => string;
  readonly itemOf: (entry: T) => Item;
}

/**
 * Builds a node's page of a large list in parts, and yields the cost of each. Entries may be added and removed between parts.
 * An entry that is removed and added again is in the page only once.
 */
export function* pageInSteps<T, Item>(
  all: Iterable<T>,
  { itemOf, keyOf }: PageSource<T, Item>,
  { after, size }: PageQuery,
): Generator<number, NodePage<Item>> {
  const { first, more } = yield* findFirstAfter(all, keyOf, after, size);
  const items: Item[] = [];
  let characters = 0;
  for (const entry of first) {
    const item = itemOf(entry);
    const length = JSON.stringify(item).length;
    characters += length;
    // One item is always included; otherwise the page token would never advance.
    if (characters > MAX_ANSWER && items.length > 0) return { items, more: true };
    items.push(item);
    yield ITEM_STEPS + length;
  }
  return { items, more };
}

/** Cost of skipping an entry, and of adding an item to the page, in steps. */
const SKIP_STEPS = 20;
const ITEM_STEPS = 200;

/** Finds the first `size` entries after a key without sorting the whole list, and yields the cost of each part. */
function* findFirstAfter<T>(
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
    yield SKIP_STEPS;
    const key = keyOf(item);
    if (key <= after) continue;
    if (horizon !== undefined && key > horizon) {
      more = true;
      continue;
    }
    first.set(key, item);
    if (first.size <= 2 * size + 100) continue;
    cut();
    yield first.size * SKIP_STEPS;
  }
  cut();
  return { first: [...first.values()], more };
}

/**
 * Merges the nodes' pages into one. The page ends at the last item of any node that has more, because the node's items after
 * it are unknown.
 * @param add - combines two items with the same key
 */
export function mergePages<T>(
  pages: Iterable<NodePage<T>>,
  keyOf: (item: T) => string,
  size: number,
  add: (a: T, b: T) => T,
): Page<T> {
  const merged = new Map<string, T>();
  let horizon: string | undefined;
  for (const { items, more } of pages) {
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
  const complete = known.filter(([key]) => horizon === undefined || key <= horizon);
  const page = complete.slice(0, size);
  const isLast = horizon === undefined && page.length === complete.length;
  return {
    items: page.map(([, item]) => item),
    nextPageToken: isLast ? "" : writeToken(page.at(-1)?.[0] ?? ""),
  };
}

/** Compares by code units, independently of a node's locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
