import { CarillonError } from "../../errors.js";
import { TurnQueue } from "../../util/turns.js";
import type { Backend } from "../keys/backend.js";
import { MAX_REQUEST_STEPS, matchSteps } from "./match-steps.js";
import type { MatcherList } from "./matcher-list.js";

/** Steps of one turn of the event loop: 2 to 5 ms. */
export const TURN_STEPS = 200_000;

/** How often a request is matched again because what it was matched against has changed meanwhile. */
const MAX_ROUNDS = 5;

/** A name that is going to be held against patterns. */
export interface Match {
  readonly list: MatcherList;
  readonly name: string;
}

/** Steps of this turn of the event loop that requests together have taken without waiting. */
let taken = 0;

/** Queue of all vhosts, which take turns. */
const queue = new TurnQueue(TURN_STEPS, setImmediate);

/**
 * Does long work in slices, after that which the vhost has asked for before. Parts yield their steps.
 * @throws what the work throws
 */
export function runInTurns<Result>(vhost: string, work: Iterator<number, Result>): Promise<Result> {
  return queue.run(vhost, work);
}

/**
 * Finds the answers that a request needs before it is decided, in slices where they take long, so that deciding finds them
 * remembered and can be done in one turn.
 *
 * @param matches - what deciding would ask now; asked again after each wait, as rules and permissions may have changed
 * @returns undefined where it can be decided at once
 * @throws CarillonError resource_exhausted: more than a request may take, or changed again and again
 */
export function matchAhead(vhost: string, matches: () => Iterable<Match>): Promise<void> | undefined {
  return takeAtOnce(pendingSteps(matches())) ? undefined : matchInRounds(vhost, matches);
}

/** Many requests of one turn, each of which is short, are long together: those beyond a slice wait for theirs. */
function takeAtOnce(steps: number): boolean {
  if (taken + steps > TURN_STEPS) return steps === 0;
  if (taken === 0 && steps > 0) setImmediate(endTurn);
  taken += steps;
  return true;
}

function endTurn(): void {
  taken = 0;
}

async function matchInRounds(vhost: string, matches: () => Iterable<Match>): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    await runInTurns(vhost, matchInParts(matches()));
    if (pendingSteps(matches()) <= TURN_STEPS) return;
  }
  throw new CarillonError(
    "resource_exhausted",
    "patterns changed again and again while names were held against them: try again",
  );
}

/** The same for names that are going to be held against a backend's patterns. @throws as matchAhead does */
export function scopeAhead(
  { matchers: list, vhost }: Pick<Backend, "matchers" | "vhost">,
  names: readonly string[],
): Promise<void> | undefined {
  return list.weight === 0 ? undefined : matchAhead(vhost, () => names.map((name) => ({ list, name })));
}

/** @throws CarillonError resource_exhausted: more than a request may take, whether remembered or not */
function pendingSteps(matches: Iterable<Match>): number {
  let pending = 0;
  let total = 0;
  for (const { list, name } of matches) {
    total += matchSteps(list.weight, name);
    checkSteps(total);
    pending += list.stepsFor(name);
  }
  return pending;
}

/** @throws CarillonError resource_exhausted: more than a request may take */
export function checkSteps(steps: number): void {
  if (steps <= MAX_REQUEST_STEPS) return;
  const text = `holding its names against patterns takes ${steps} steps, the limit is ${MAX_REQUEST_STEPS}: ask for less at a time`;
  throw new CarillonError("resource_exhausted", text);
}

/** Finds answers, so that they are remembered. Parts yield their steps. */
export function* matchInParts(matches: Iterable<Match>): Generator<number, void> {
  for (const { list, name } of matches) {
    const steps = list.stepsFor(name);
    if (steps > 0) list.find(name);
    yield steps;
  }
}
