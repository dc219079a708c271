import { LruMap } from "../../util/lru-map.js";
import { CHEAP_STEPS, matchSteps, NAME_STEPS } from "./match-steps.js";
import type { Matcher } from "./pattern.js";

/**
 * Cached results of all lists of this node, by list id and name: at most 40 MB with the longest names. Results never become
 * stale, because a list never changes.
 */
const answers = new LruMap<string, number>(65_536);

/** Longest name of a topic or event, in bytes. */
const LONGEST_NAME = 255;

let lastId = 0;

/** Ordered patterns of which the first match applies. Costly results are cached. */
export class MatcherList {
  /** Maximum number of steps for one byte of a name. */
  readonly weight: number;
  /** Whether even the longest name takes too few steps to be counted. */
  readonly isCheap: boolean;
  readonly #matchers: readonly Matcher[];
  readonly #id: number;

  constructor(matchers: readonly Matcher[]) {
    this.#matchers = matchers;
    this.weight = matchers.reduce((sum, matcher) => sum + matcher.weight, 0);
    this.isCheap = this.weight * (LONGEST_NAME + NAME_STEPS) < CHEAP_STEPS;
    lastId += 1;
    this.#id = lastId;
  }

  /** Returns the position of the first pattern that matches; -1 for none. */
  find(name: string): number {
    if (matchSteps(this.weight, name) < CHEAP_STEPS) return this.#search(name);
    const key = this.#cacheKey(name);
    let answer = answers.get(key);
    if (answer === undefined) {
      answer = this.#search(name);
      answers.set(key, answer);
    }
    return answer;
  }

  /** Returns the steps that {@link find} would take now; 0 where the result is cached or cheap. */
  stepsFor(name: string): number {
    const steps = matchSteps(this.weight, name);
    return steps < CHEAP_STEPS || answers.get(this.#cacheKey(name)) !== undefined ? 0 : steps;
  }

  #cacheKey(name: string): string {
    return `${this.#id}\n${name}`;
  }

  #search(name: string): number {
    return this.#matchers.findIndex((matches) => matches(name));
  }
}
