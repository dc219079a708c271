import { LruMap } from "../../util/lru-map.js";
import { CHEAP_STEPS, matchSteps, NAME_STEPS } from "./match-steps.js";
import type { Matcher } from "./pattern.js";
import { PrefixIndex } from "./prefix-index.js";

/**
 * Cached results of all lists of this node, by list id and name: at most 40 MB with the longest names. Results never become
 * stale, because a list never changes.
 */
const answers = new LruMap<string, number>(65_536);

/** Longest name of a topic or event, in bytes. */
const MAX_NAME = 255;

let lastId = 0;

/** Ordered patterns of which the first match applies. Costly results are cached. */
export class MatcherList {
  /** Maximum number of steps for one byte of a name. */
  readonly weight: number;
  /** Whether even the longest name takes too few steps to be counted. */
  readonly isCheap: boolean;
  readonly #matchers: readonly Matcher[];
  readonly #index: PrefixIndex;
  readonly #id: number;

  constructor(matchers: readonly Matcher[]) {
    this.#matchers = matchers;
    this.#index = new PrefixIndex(matchers);
    this.weight = matchers.reduce((sum, matcher) => sum + matcher.weight, 0);
    this.isCheap = this.weight * (MAX_NAME + NAME_STEPS) < CHEAP_STEPS;
    lastId += 1;
    this.#id = lastId;
  }

  /** Returns the position of the first pattern that matches; -1 for none. */
  find(name: string): number {
    const selected = this.#index.select(name);
    if (this.#countSteps(selected, name) < CHEAP_STEPS) return this.#search(selected, name);
    const key = this.#cacheKey(name);
    let answer = answers.get(key);
    if (answer === undefined) {
      answer = this.#search(selected, name);
      answers.set(key, answer);
    }
    return answer;
  }

  /** Returns the steps that {@link find} would take now; 0 where the result is cached or cheap. */
  stepsFor(name: string): number {
    const steps = this.#countSteps(this.#index.select(name), name);
    return steps < CHEAP_STEPS || answers.get(this.#cacheKey(name)) !== undefined ? 0 : steps;
  }

  #countSteps(selected: readonly number[], name: string): number {
    let weight = 0;
    for (const position of selected) weight += this.#matchers[position]?.weight ?? 0;
    return matchSteps(weight, name);
  }

  #search(selected: readonly number[], name: string): number {
    return selected.find((position) => this.#matchers[position]?.(name)) ?? -1;
  }

  #cacheKey(name: string): string {
    return `${this.#id}\n${name}`;
  }
}
