import type { Backend } from "../access/keys/backend.js";
import { isExact } from "../access/patterns/pattern.js";
import { CarillonError } from "../errors.js";

/**
 * The first pattern that is beyond what a backend is for. Whether one pattern covers another cannot be told of all that
 * the language has, so within are a backend's own patterns, and names that they match.
 */
export function findBeyond(backend: Backend, patterns: readonly string[]): string | undefined {
  const { topics: own } = backend;
  if (own.length === 0) return undefined;
  return patterns.find((pattern) => !own.includes(pattern) && !(isExact(pattern) && backend.mayUse(pattern)));
}

/**
 * Whether a backend may give others these topics, in a key or a token.
 * @throws CarillonError permission_denied
 */
export function checkDelegation(backend: Backend, patterns: readonly string[]): void {
  const beyond = findBeyond(backend, patterns);
  if (beyond !== undefined) throw tooMuch(backend, `the topics ${JSON.stringify(beyond)}`);
}

export function tooMuch({ name }: Backend, what: string): CarillonError {
  return new CarillonError(
    "permission_denied",
    `key ${JSON.stringify(name)} can neither give nor take away ${what}: it has not got them`,
  );
}
