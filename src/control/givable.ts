import type { Backend } from "../access/backend.js";
import { isExact } from "../access/pattern.js";
import { CarillonError } from "../errors.js";

/**
 * Whether a backend may give others these topics, in a key or a token. Whether one pattern covers another cannot be told of
 * all that the language has, so a backend that is for some topics gives its own patterns on, and names that they match.
 *
 * @throws CarillonError permission_denied
 */
export function checkGivable(backend: Backend, patterns: readonly string[]): void {
  const { topics: own } = backend;
  if (own.length === 0) return;
  const beyond = patterns.find((pattern) => !own.includes(pattern) && !(isExact(pattern) && backend.mayUse(pattern)));
  if (beyond !== undefined) throw tooMuch(backend, `the topics ${JSON.stringify(beyond)}`);
}

export function tooMuch({ name }: Backend, what: string): CarillonError {
  return new CarillonError(
    "permission_denied",
    `key ${JSON.stringify(name)} can neither give nor take away ${what}: it has not got them`,
  );
}
