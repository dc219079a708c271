import { CarillonError } from "../../errors.js";
import { TurnQueue } from "../../util/turns.js";
import type { Backend } from "../keys/backend.js";
import { MAX_REQUEST_STEPS, matchSteps } from "./match-steps.js";
import type { MatcherList } from "./matcher-list.js";

/** Steps of one turn of the event loop: 2 to 5 ms. */
export const TURN_STEPS = 200_000;

/** Most times that a request is matched again because patterns changed in the meantime. */
const MAX_ROUNDS = 5;

/** A name to match against a list of patterns. */
export interface Match {
  readonly list: MatcherList;
  readonly name: string;
}

/** Steps taken in this turn of the event loop by all requests that did not wait. */
let stepsTaken = 0;

/** Queue of the work of all vhosts, which take turns. */
const queue = new TurnQueue(TURN_STEPS, setImmediate);

/**
 * Runs long work in slices, after the vhost's earlier work. The iterator yields the steps of each part.
 * @throws the work's errors
 */
export function runInTurns<Result>(vhost: string, work: Iterator<number, Result>): Promise<Result> {
  return queue.run(vhost, work);
}

/**
 * Matches the names of a request before it is decided, in slices if that takes long. Results are cached, so that the decision
 * itself takes one turn.
 *
 * @param matches - lists the matches that the decision needs; called again after each wait, because rules and permissions may
 * have changed
 * @returns undefined where the request can be decided at once
 * @throws CarillonError resource_exhausted: too many steps, or patterns that changed repeatedly
 */
export function matchAhead(vhost: string, matches: () => Iterable<Match>): Promise<void> | undefined {
  return takeWithoutWaiting(countPendingSteps(matches())) ? undefined : matchInRounds(vhost, matches);
}

/** Lets short requests pass without waiting, up to one slice of steps in a turn. */
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
export function scopeAhead(
  { matchers: list, vhost }: Pick<Backend, "matchers" | "vhost">,
  names: readonly string[],
): Promise<void> | undefined {
  return list.weight === 0 ? undefined : matchAhead(vhost, () => names.map((name) => ({ list, name })));
}

/** Counts the steps that are not cached. @throws CarillonError resource_exhausted: too many steps, cached or not */
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

/** @throws CarillonError resource_exhausted: more steps than a request may take */
export function checkSteps(steps: number): void {
  if (steps <= MAX_REQUEST_STEPS) return;
  const text = `matching its names against patterns takes ${steps} steps, the limit is ${MAX_REQUEST_STEPS}: send smaller requests`;
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
