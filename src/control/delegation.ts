import type { Backend } from "../access/keys/backend.js";
import { isExact } from "../access/patterns/pattern.js";
import { CarillonError } from "../errors.js";

/**
 * Returns the first pattern that exceeds a backend's own topics. Whether one pattern covers another is undecidable for the
 * whole pattern language. A pattern is therefore allowed if it is one of the backend's own, or a name that these match.
 */
export function findBeyond(backend: Backend, patterns: readonly string[]): string | undefined {
  const { topics: own } = backend;
  if (own.length === 0) return undefined;
  return patterns.find((pattern) => !own.includes(pattern) && !(isExact(pattern) && backend.mayUse(pattern)));
}

/**
 * Checks that a backend may grant or revoke these topics, in a key or a token.
 * @throws CarillonError permission_denied
 */
export function checkDelegation(backend: Backend, patterns: readonly string[]): void {
  const beyond = findBeyond(backend, patterns);
  if (beyond !== undefined) throw notDelegable(backend, `the topics ${JSON.stringify(beyond)}`);
}

export function notDelegable({ name }: Backend, what: string): CarillonError {
  return new CarillonError(
    "permission_denied",
    `key ${JSON.stringify(name)} lacks ${what}, and can neither grant nor revoke them`,
  );
}
