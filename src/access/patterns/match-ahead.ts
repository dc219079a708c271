import { CarillonError } from "../../errors.js";
import { TurnQueue } from "../../util/turns.js";
import type { Backend } from "../keys/backend.js";
import { MAX_REQUEST_STEPS, matchSteps } from "./match-steps.js";
import type { MatcherList } from "./matcher-list.js";

/** Maximum number of steps in one turn of the event loop. They take 2 to 5 ms. */
export const TURN_STEPS = 200_000;

/** Maximum number of times that a request is matched, because patterns may change in the meantime. */
const MAX_ROUNDS = 5;

/** A name to match against a list of patterns. */
export interface Match {
  readonly list: MatcherList;
  readonly name: string;
}

/** Steps taken in this turn of the event loop by all requests that did not wait. */
let stepsTaken = 0;

/** Queue for the long work of all vhosts. Vhosts alternate. */
const queue = new TurnQueue(TURN_STEPS, setImmediate);

/**
 * Runs long work in slices, after earlier work of the same key.
 * @param vhost - key of the queue: a vhost, or another string for a queue of its own
 * @param work - yields the steps of each part
 * @throws the work's errors
 */
export function runInTurns<Result>(vhost: string, work: Iterator<number, Result>): Promise<Result> {
  return queue.run(vhost, work);
}

/**
 * Matches the names of a request before the decision on it, in slices if that takes long. The results are cached, so that the
 * decision itself fits in one turn of the event loop.
 *
 * @param matches - lists the matches that the decision needs; called again after each wait, because rules and permissions may
 * have changed
 * @returns undefined if the request can be decided at once
 * @throws CarillonError resource_exhausted: too many steps, or patterns that changed repeatedly
 */
export function matchAhead(vhost: string, matches: () => Iterable<Match>): Promise<void> | undefined {
  return takeWithoutWaiting(countPendingSteps(matches())) ? undefined : matchInRounds(vhost, matches);
}

/** Returns whether a request may be decided without waiting. In each turn, such requests share one slice of steps. */
function takeWithoutWaiting(steps: number): boolean {
  if (stepsTaken + steps > TURN_STEPS) return steps === 0;
  if (stepsTaken === 0 && steps > 0) setImmediate(endTurn);
  stepsTaken += steps;
  return true;
}

function endTurn(): void {
  stepsTaken = 0;
}

async function matchInRounds(vhost: string, matches: () => Iterable<Match>): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    await runInTurns(vhost, matchInParts(matches()));
    if (countPendingSteps(matches()) <= TURN_STEPS) return;
  }
  throw new CarillonError("resource_exhausted", "patterns changed repeatedly during matching: try again");
}

/** Matches names against a backend's patterns ahead of its decision. @throws as `matchAhead` does */
export function matchScopeAhead(
  { matchers: list, vhost }: Pick<Backend, "matchers" | "vhost">,
  names: readonly string[],
): Promise<void> | undefined {
  return list.weight === 0 ? undefined : matchAhead(vhost, () => names.map((name) => ({ list, name })));
}

/** Counts the steps whose results are not cached. @throws CarillonError resource_exhausted: too many steps, cached or not */
function countPendingSteps(matches: Iterable<Match>): number {
  let pending = 0;
  let total = 0;
  for (const { list, name } of matches) {
    total += matchSteps(list.weight, name);
    checkSteps(total);
    pending += list.stepsFor(name);
  }
  return pending;
}

/** Checks the steps of a request. @throws CarillonError resource_exhausted: more than a request may take */
export function checkSteps(steps: number): void {
  if (steps <= MAX_REQUEST_STEPS) return;
  const text = `matching the request's names against patterns takes ${steps} steps, the limit is ${MAX_REQUEST_STEPS}: send smaller requests`;
  throw new CarillonError("resource_exhausted", text);
}

/** Matches and caches the results. Yields the steps of each match. */
export function* matchInParts(matches: Iterable<Match>): Generator<number, void> {
  for (const { list, name } of matches) {
    const steps = list.stepsFor(name);
    if (steps > 0) list.find(name);
    yield steps;
  }
}
