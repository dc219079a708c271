import fc from "fast-check";
import { mergePages, readPageQuery, toNodePage } from "../../src/control/pagination.js";

interface Item {
  readonly key: string;
  readonly sum: number;
}

const keyOf = ({ key }: Item): string => key;
const added = (a: Item, b: Item): Item => ({ key: a.key, sum: a.sum + b.sum });

/** Reads all pages, as a caller does. `between` runs after each. */
function readAll(nodes: readonly (readonly Item[])[], size: number, between: () => void = () => {}): Item[] {
  const all: Item[] = [];
  let token = "";
  do {
    const query = readPageQuery(size, token);
    const page = mergePages(
      nodes.map((items) => toNodePage(items, keyOf, query)),
      keyOf,
      query.size,
      added,
    );
    expect(page.items.length).toBeLessThanOrEqual(size);
    all.push(...page.items);
    token = page.nextPageToken;
    between();
  } while (token !== "");
  return all;
}

const items = fc.uniqueArray(fc.record({ key: fc.string({ minLength: 1, maxLength: 3 }), sum: fc.nat(9) }), {
  selector: keyOf,
  maxLength: 60,
});

test("returns every item of all nodes once, in order, with sums over the nodes", () => {
  fc.assert(
    fc.property(fc.array(items, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 20 }), (nodes, size) => {
      const sums = new Map<string, number>();
      for (const { key, sum } of nodes.flat()) sums.set(key, (sums.get(key) ?? 0) + sum);
      const expected = [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, sum]) => ({ key, sum }));
      expect(readAll(nodes, size)).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

test("neither repeats nor skips items when others are added and removed between pages", () => {
  const node = Array.from({ length: 100 }, (_, position) => ({ key: `k${position + 100}`, sum: 1 }));
  let turn = 0;
  const seen = readAll([node], 7, () => {
    turn += 1;
    node.splice(0, 1);
    node.push({ key: `a${turn}`, sum: 1 });
  }).map(keyOf);
  expect(new Set(seen).size).toBe(seen.length);
  // Only items removed before their page was read are missing.
  expect(seen).toEqual(expect.arrayContaining(node.map(keyOf).filter((key) => key.startsWith("k"))));
});

test("returns shorter pages of large items, and continues after them", () => {
  const node = Array.from({ length: 10 }, (_, position) => ({ key: String(position).padEnd(200_000, "x"), sum: 1 }));
  expect(readAll([node, [{ key: "5", sum: 1 }]], 1_000)).toHaveLength(11);
  expect(toNodePage(node, keyOf, { after: "", size: 1_000 }).items.length).toBeLessThan(4);
});

test("rejects invalid page sizes and tokens", () => {
  expect(readPageQuery(0, "").size).toBe(100);
  expect(() => readPageQuery(1_001, "")).toThrow("page_size: expected at most 1000, got 1001");
  for (const token of ["!", "a", "abc=", "%%%"]) expect(() => readPageQuery(1, token)).toThrow("invalid page_token");
});
