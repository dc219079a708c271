import { MatcherList } from "./matcher-list.js";
import { compilePattern, isExact, type Matcher } from "./pattern.js";

/** Set of patterns. Plain names are looked up in constant time. */
export class PatternSet {
  /** Patterns that are not plain names. */
  readonly matchers: MatcherList;
  readonly #names = new Set<string>();
  readonly #texts: readonly string[];

  /** @throws CarillonError invalid_argument: an invalid pattern */
  constructor(patterns: Iterable<string>) {
    const texts: string[] = [];
    const matchers: Matcher[] = [];
    for (const text of patterns) {
      const matcher = compilePattern(text);
      if (isExact(text)) {
        this.#names.add(text);
        continue;
      }
      texts.push(text);
      matchers.push(matcher);
    }
    this.#texts = texts;
    this.matchers = new MatcherList(matchers);
  }

  /** Finds the first pattern that matches; plain names go first. */
  find(name: string): string | undefined {
    return this.#names.has(name) ? name : this.#texts[this.matchers.find(name)];
  }
}
