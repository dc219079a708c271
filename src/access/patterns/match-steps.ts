/**
 * Unit of the cost of matching: a step is one instruction of a pattern's program on one byte of a name. It takes about 10 ns.
 * Limits are in steps because, unlike times, they are the same on every machine.
 */

/** Fixed cost of matching a name, in bytes. */
export const NAME_STEPS = 16;

/**
 * Maximum total weight of the patterns in one set of permissions, one key, one worker, or one vhost's topic rules. Matching
 * the longest name against as many takes 813,000 steps, about 10 ms.
 */
export const MAX_TOTAL_WEIGHT = 3_000;

/** Returns the reason to refuse patterns of this total weight; undefined if they are allowed. */
export function weightProblem(weight: number): string | undefined {
  if (weight <= MAX_TOTAL_WEIGHT) return undefined;
  return `the patterns have a total weight of ${Math.ceil(weight)}, the limit is ${MAX_TOTAL_WEIGHT}: each instruction of a regular expression counts 1, each segment pattern 2`;
}

/** Number of steps below which a result is cheaper to compute again than to cache. */
export const CHEAP_STEPS = 256;

/** Maximum number of steps of one request or command. */
export const MAX_REQUEST_STEPS = 50_000_000;

/** Returns the maximum number of steps to match a name. @param weight - total weight of the patterns */
export function matchSteps(weight: number, name: string): number {
  return Math.ceil(weight * (name.length + NAME_STEPS));
}
