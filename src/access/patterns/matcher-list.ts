import { LruMap } from "../../util/lru-map.js";
import { CHEAP_STEPS, matchSteps, NAME_STEPS } from "./match-steps.js";
import type { Matcher } from "./pattern.js";

/**
 * Answers that the node remembers, of all lists together: 40 MB where every name is as long as it may be. A list is told
 * by its number, as a pattern's answer for a name never changes.
 */
const answers = new LruMap<string, number>(65_536);

/** Longest name of a topic or an event, in bytes. */
const LONGEST_NAME = 255;

let lists = 0;

/** Patterns in order, of which the first that matches counts. Costly answers are remembered. */
export class MatcherList {
  /** Steps that one byte of a name takes at most. */
  readonly weight: number;
  /** Whether no topic's name takes enough steps to be counted. */
  readonly isCheap: boolean;
  readonly #matchers: readonly Matcher[];
  readonly #id: number;

  constructor(matchers: readonly Matcher[]) {
    this.#matchers = matchers;
    this.weight = matchers.reduce((sum, matcher) => sum + matcher.weight, 0);
    this.isCheap = this.weight * (LONGEST_NAME + NAME_STEPS) < CHEAP_STEPS;
    lists += 1;
    this.#id = lists;
  }

  /** Position of the first pattern that matches; -1 for none. */
  find(name: string): number {
    if (matchSteps(this.weight, name) < CHEAP_STEPS) return this.#search(name);
    const key = this.#keyOf(name);
    let answer = answers.get(key);
    if (answer === undefined) {
      answer = this.#search(name);
      answers.set(key, answer);
    }
    return answer;
  }

  /** Steps that {@link find} would take now; 0 where the answer is remembered, or costs next to nothing. */
  stepsFor(name: string): number {
    const steps = matchSteps(this.weight, name);
    return steps < CHEAP_STEPS || answers.get(this.#keyOf(name)) !== undefined ? 0 : steps;
  }

  #keyOf(name: string): string {
    return `${this.#id}\n${name}`;
  }

  #search(name: string): number {
    return this.#matchers.findIndex((matches) => matches(name));
  }
}
