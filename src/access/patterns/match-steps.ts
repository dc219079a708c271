/**
 * Unit of the cost of matching: a step is one instruction of a pattern's program on one byte of a name, some 10 ns. Unlike
 * time, steps are the same on every machine.
 */

/** Fixed cost of matching a name, in bytes. */
export const NAME_STEPS = 16;

/**
 * Largest total weight of the patterns in one set of permissions, one key, one worker, or one vhost's topic rules. The
 * longest name takes 813,000 steps against all of them, some 10 ms.
 */
export const MAX_TOTAL_WEIGHT = 3_000;

/** Reason for refusing patterns of this total weight; undefined where they are allowed. */
export function weightFault(weight: number): string | undefined {
  if (weight <= MAX_TOTAL_WEIGHT) return undefined;
  return `patterns weigh ${Math.ceil(weight)} together, the limit is ${MAX_TOTAL_WEIGHT}: an instruction of a regular expression weighs 1, a pattern of segments 2`;
}

/** Results that take fewer steps are cheaper to compute again than to cache. */
export const CHEAP_STEPS = 256;

/** Most steps of one request or command. */
export const MAX_REQUEST_STEPS = 50_000_000;

/** Most steps that matching a name takes. @param weight - of the patterns */
export function matchSteps(weight: number, name: string): number {
  return Math.ceil(weight * (name.length + NAME_STEPS));
}
