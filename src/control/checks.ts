import type { Backend } from "../access/keys/backend.js";
import { matchScopeAhead } from "../access/patterns/match-ahead.js";
import { topicProblem } from "../core/topic-name.js";
import { CarillonError, invalidArgument } from "../errors.js";

/** Maximum number of topics in one request. */
const MAX_TOPICS = 1_000;

/** Checks that a backend may use a topic. @throws CarillonError invalid_argument, permission_denied */
export function checkTopic(backend: Backend, field: string, topic: string): void {
  const problem = topicProblem(topic);
  if (problem !== undefined) throw invalidArgument(`${field} ${problem}`);
  if (backend.mayUse(topic)) return;
  const text = `${field}: key ${JSON.stringify(backend.name)} is not permitted to use topic ${JSON.stringify(topic)}`;
  throw new CarillonError("permission_denied", text);
}

/**
 * Checks that a backend may use all of the topics.
 * @throws CarillonError invalid_argument, permission_denied; resource_exhausted: the check would take too long
 */
export async function checkTopics(backend: Backend, topics: readonly string[]): Promise<void> {
  if (topics.length === 0) throw invalidArgument("topics: at least one is required");
  if (topics.length > MAX_TOPICS) throw invalidArgument(`topics: got ${topics.length}, the limit is ${MAX_TOPICS}`);
  await matchScopeAhead(backend, topics);
  for (const [position, topic] of topics.entries()) checkTopic(backend, `topics[${position}]`, topic);
}

/** Checks a required text. @throws CarillonError invalid_argument: empty or too long */
export function checkPresent(field: string, value: string, limit = 255): void {
  if (value === "") throw invalidArgument(`${field} is required`);
  checkLength(field, value, limit);
}

/** Checks the length of a text. @param limit - in bytes of UTF-8. @throws CarillonError invalid_argument: too long */
export function checkLength(field: string, value: string, limit = 255): void {
  if (Buffer.byteLength(value) > limit) throw invalidArgument(`${field} is longer than ${limit} bytes`);
}
