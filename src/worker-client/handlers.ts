import { MatcherList } from "../access/patterns/matcher-list.js";
import { compilePattern } from "../access/patterns/pattern.js";
import { CarillonError } from "../errors.js";
import { bySpecificity } from "../workers/directory/specificity.js";
import type { WorkerHandler } from "./task.js";

interface Entry {
  readonly pattern: string;
  readonly handler: WorkerHandler;
}

/** Handlers of a worker by pattern. */
export class Handlers {
  /** Most specific pattern first. Nodes choose in the same order. */
  #entries: readonly Entry[] = [];
  #matchers = new MatcherList([]);

  get patterns(): string[] {
    return this.#entries.map(({ pattern }) => pattern);
  }

  /** @throws CarillonError invalid_argument: a malformed pattern; already_exists */
  add(pattern: string, handler: WorkerHandler): void {
    if (this.#entries.some((entry) => entry.pattern === pattern)) {
      throw new CarillonError("already_exists", `duplicate handler for ${JSON.stringify(pattern)}`);
    }
    const entries = [...this.#entries, { pattern, handler }];
    entries.sort((one, other) => bySpecificity(one.pattern, other.pattern));
    this.#matchers = new MatcherList(entries.map((entry) => compilePattern(entry.pattern)));
    this.#entries = entries;
  }

  find(event: string): WorkerHandler | undefined {
    return this.#entries[this.#matchers.find(event)]?.handler;
  }
}
