/**
 * Steps are what matching is counted in: one instruction of a pattern's program on one byte of a name, some 10 ns. Time
 * differs from machine to machine, steps do not.
 */

/** Cost of looking at a name, beside its bytes. */
export const NAME_STEPS = 16;

/**
 * Largest total weight of the patterns in one set of permissions, one key, one worker, or one vhost's topic rules. The
 * longest name is held against all of them in 813,000 steps, some 10 ms.
 */
export const MAX_TOTAL_WEIGHT = 3_000;

/** Why patterns of this total weight are refused; undefined where they are not. */
export function weightFault(weight: number): string | undefined {
  if (weight <= MAX_TOTAL_WEIGHT) return undefined;
  return `patterns weigh ${Math.ceil(weight)} together, the limit is ${MAX_TOTAL_WEIGHT}: an instruction of a regular expression weighs 1, a pattern of segments 2`;
}

/** Answers that take fewer steps are cheaper to find again than to remember. */
export const CHEAP_STEPS = 256;

/** Steps of one request or command, beyond which it is refused. */
export const MAX_REQUEST_STEPS = 50_000_000;

/** Most steps that matching a name takes. @param weight - of the patterns */
export function matchSteps(weight: number, name: string): number {
  return Math.ceil(weight * (name.length + NAME_STEPS));
}
