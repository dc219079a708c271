import type { Backend } from "../access/keys/backend.js";
import { isExact } from "../access/patterns/pattern.js";
import { CarillonError } from "../errors.js";

/**
 * Returns the first pattern outside the topics of a backend's scope; undefined for none. To decide whether one pattern covers
 * another would be too costly for regular expressions. Therefore a pattern is allowed only if it equals one of the backend's
 * own, or is a plain name that one of them matches.
 */
export function findPatternOutsideScope(backend: Backend, patterns: readonly string[]): string | undefined {
  const { topics: own } = backend;
  if (own.length === 0) return undefined;
  return patterns.find((pattern) => !own.includes(pattern) && !(isExact(pattern) && backend.mayUse(pattern)));
}

/**
 * Checks that a backend may grant or revoke these topics, in a key or a token.
 * @throws CarillonError permission_denied
 */
export function checkDelegation(backend: Backend, patterns: readonly string[]): void {
  const pattern = findPatternOutsideScope(backend, patterns);
  if (pattern !== undefined) throw notDelegable(backend, `the topic pattern ${JSON.stringify(pattern)}`);
}

export function notDelegable({ name }: Backend, what: string): CarillonError {
  return new CarillonError(
    "permission_denied",
    `key ${JSON.stringify(name)} lacks ${what}, and cannot grant or revoke it`,
  );
}
