import { compilePattern, type Matcher } from "../access/patterns/pattern.js";
import { CarillonError } from "../errors.js";
import { bySpecificity } from "../workers/directory/specificity.js";
import type { WorkerHandler } from "./task.js";

interface Entry {
  readonly pattern: string;
  readonly matches: Matcher;
  readonly handler: WorkerHandler;
}

/** Handlers of a worker by pattern. */
export class Handlers {
  /** Most specific pattern first. Nodes choose in the same order. */
  readonly #entries: Entry[] = [];

  get patterns(): string[] {
    return this.#entries.map(({ pattern }) => pattern);
  }

  /** @throws CarillonError invalid_argument: a malformed pattern; already_exists */
  add(pattern: string, handler: WorkerHandler): void {
    if (this.#entries.some((entry) => entry.pattern === pattern)) {
      throw new CarillonError("already_exists", `duplicate handler for ${JSON.stringify(pattern)}`);
    }
    this.#entries.push({ pattern, matches: compilePattern(pattern), handler });
    this.#entries.sort((a, b) => bySpecificity(a.pattern, b.pattern));
  }

  find(event: string): WorkerHandler | undefined {
    return this.#entries.find(({ matches }) => matches(event))?.handler;
  }
}
