import { compilePattern, isExact, type Matcher } from "./pattern.js";
import { RecentMap } from "./recent-map.js";

/** From so many patterns on that are no names, the answers are remembered. */
const MANY_PATTERNS = 8;

/** Answers that are remembered. */
const MAX_ANSWERS = 64;

/** Patterns of which any may match. Names are found at once, whatever their number. */
export class PatternSet {
  readonly #names = new Set<string>();
  readonly #patterns: { readonly text: string; readonly matches: Matcher }[] = [];
  /** Made when needed: most sets have few patterns, and are asked about few names. "": none of them matches. */
  #answers: RecentMap<string, string> | undefined;

  /** @throws CarillonError invalid_argument: a pattern that cannot be read */
  constructor(patterns: Iterable<string>) {
    for (const text of patterns) {
      const matches = compilePattern(text);
      if (isExact(text)) this.#names.add(text);
      else this.#patterns.push({ text, matches });
    }
  }

  /** The first pattern that matches. */
  find(name: string): string | undefined {
    if (this.#names.has(name)) return name;
    if (this.#patterns.length < MANY_PATTERNS) return this.#search(name);
    this.#answers ??= new RecentMap(MAX_ANSWERS);
    let answer = this.#answers.get(name);
    if (answer === undefined) {
      answer = this.#search(name) ?? "";
      this.#answers.set(name, answer);
    }
    return answer === "" ? undefined : answer;
  }

  #search(name: string): string | undefined {
    for (const { matches, text } of this.#patterns) {
      if (matches(name)) return text;
    }
    return undefined;
  }
}
