import fc from "fast-check";
import { MatcherList } from "../../src/access/patterns/matcher-list.js";
import { compilePattern, patternProblem } from "../../src/access/patterns/pattern.js";
import { PatternSet } from "../../src/access/patterns/pattern-set.js";
import { PrefixIndex } from "../../src/access/patterns/prefix-index.js";
import { WorkerDirectory } from "../../src/workers/directory/directory.js";
import { bySpecificity } from "../../src/workers/directory/specificity.js";

/** Texts with many common prefixes; the last two characters take two code units, and sort between others. */
const text = fc.string({ unit: fc.constantFrom("a", "b", ".", "-", "é", "😀"), maxLength: 6 });
const end = fc.constantFrom("", "*", ".*", ".>", ".*.a", ".*.>");
const pattern = fc
  .oneof(
    { weight: 8, arbitrary: fc.tuple(text, end).map((parts) => parts.join("")) },
    { weight: 1, arbitrary: fc.constantFrom("*", "*.a", "*.*", "*.>", "re:a.*", "re:[ab]{2}", "re:.", "re:(?i)A") },
  )
  .filter((one) => patternProblem(one) === undefined);
const patterns = fc.uniqueArray(pattern, { maxLength: 80, size: "max" });
/** More names than the lookups after which an index is built. */
const names = fc.array(text, { minLength: 60, maxLength: 60, size: "max" });

function matchesOf(all: readonly string[], name: string): string[] {
  return all.filter((one) => compilePattern(one)(name));
}

test("A6: finds the first matching pattern as if each were tried, whatever the patterns and names", () => {
  fc.assert(
    fc.property(patterns, names, (all, asked) => {
      const list = new MatcherList(all.map(compilePattern));
      const set = new PatternSet(all);
      for (const name of [...asked, ...all]) {
        const matching = matchesOf(all, name);
        expect(all[list.find(name)]).toBe(matching[0]);
        // Plain names go first, and only one of them can match.
        expect(set.find(name)).toBe(matching.includes(name) && !/[*>]|^re:/.test(name) ? name : matching[0]);
      }
    }),
    { numRuns: 200 },
  );
});

test("A6: selects every pattern that begins as the name does, and no other", () => {
  const prefixes = fc.array(text, { maxLength: 80, size: "max" });
  fc.assert(
    fc.property(prefixes, names, (all, asked) => {
      const index = new PrefixIndex(all.map((prefix) => ({ prefix })));
      for (const name of asked) {
        const expected = [...all.keys()].filter((position) => name.startsWith(all[position] ?? ""));
        expect(index.select(name)).toEqual(expected);
      }
    }),
    { numRuns: 200 },
  );
});

test("finds the workers of an event as if each pattern were tried, also after changes", () => {
  fc.assert(
    fc.property(patterns, names, fc.nat(79), (all, events, removed) => {
      const directory = new WorkerDirectory();
      for (const one of all) directory.add("node", ["/", one]);
      const check = (left: readonly string[]): void => {
        for (const event of events) {
          const found = directory.find("/", event, true).map((entry) => entry.pattern);
          expect(found).toEqual(matchesOf(left, event).toSorted(bySpecificity));
        }
      };
      check(all);
      for (const one of all.slice(removed)) directory.remove("node", ["/", one]);
      check(all.slice(0, removed));
    }),
    { numRuns: 100 },
  );
});

test("O12: a name is matched only against patterns that begin as it does", () => {
  let matched = 0;
  const matcherOf = (prefix: string) =>
    Object.assign(
      (name: string) => {
        matched += 1;
        return name === prefix;
      },
      { prefix, weight: 2 },
    );
  const list = new MatcherList(Array.from({ length: 1_000 }, (_, number) => matcherOf(`room${number}.`)));
  for (let number = 0; number < 1_000; number += 1) expect(list.find(`room${number}.`)).toBe(number);
  expect(matched).toBe(1_000);
  expect(list.stepsFor("room7.x".padEnd(255, "x"))).toBeLessThanOrEqual(2 * 271);
});
