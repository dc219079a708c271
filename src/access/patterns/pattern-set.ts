import { MatcherList } from "./matcher-list.js";
import { compilePattern, isExact, type Matcher } from "./pattern.js";

/** Patterns of which any may match. Names are found at once, whatever their number. */
export class PatternSet {
  /** Patterns that are not plain names. */
  readonly matchers: MatcherList;
  readonly #names = new Set<string>();
  readonly #texts: readonly string[];

  /** @throws CarillonError invalid_argument: a pattern that cannot be read */
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

  /** The first pattern that matches. */
  find(name: string): string | undefined {
    return this.#names.has(name) ? name : this.#texts[this.matchers.find(name)];
  }
}
