import type { Counts } from "./tally.js";

/** Delivery errors between server and receivers. */
export interface Faults {
  readonly lost: number;
  readonly duplicated: number;
  readonly misordered: number;
  readonly closed: number;
}

/** Compares two counts. @param expected - number of messages that should have arrived in between */
export function countFaults(before: Counts, after: Counts, expected: number): Faults {
  const duplicated = after.duplicated - before.duplicated;
  return {
    lost: expected - (after.received - before.received - duplicated),
    duplicated,
    misordered: after.misordered - before.misordered,
    closed: after.closed - before.closed,
  };
}

/** Formats faults as `lost, duplicated, misordered`, and the number of closed sessions if there are any. */
export function formatFaults(all: readonly Faults[]): string {
  const sum = (pick: (one: Faults) => number): number => all.reduce((total, one) => total + pick(one), 0);
  const closed = sum((one) => one.closed);
  const text = `${sum((one) => one.lost)}, ${sum((one) => one.duplicated)}, ${sum((one) => one.misordered)}`;
  return closed === 0 ? text : `${text}; ${closed} closed`;
}

export const FAULTS_HEAD = "lost, dup., misord.";
