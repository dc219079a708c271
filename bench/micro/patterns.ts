import { PatternSet } from "../../src/access/patterns/pattern-set.js";
import type { Case } from "./cases.js";

/** Patterns of which only the last matches the names. */
const PATTERNS = [...Array.from({ length: 100 }, (_, number) => `other${number}.*`), "t*"];

/** Lookups after which a set is sure to have its index. */
const WARM_UP = 100;

const set = new PatternSet(PATTERNS);
for (let number = 0; number < WARM_UP; number += 1) set.find(`t${number}`);

let count = 0;

/** Permissions with 101 patterns: creating a set, the first lookup, which scans, and later ones, which search the index. */
export const PATTERN_CASES: readonly Case[] = [
  { name: "PatternSet, 101 patterns", run: () => new PatternSet(PATTERNS) },
  { name: "PatternSet and one find, 101 patterns", run: () => new PatternSet(PATTERNS).find("t1") },
  {
    name: "find, the last of 101 patterns",
    run() {
      count += 1;
      return set.find(`t${count}`);
    },
  },
];
