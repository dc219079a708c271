import type { Counts } from "./tally.js";

/** What went wrong between server and receivers. */
export interface Faults {
  readonly lost: number;
  readonly duplicated: number;
  readonly misordered: number;
  readonly closed: number;
}

/** @param wanted - how many messages should have come between the two counts */
export function faults(before: Counts, after: Counts, wanted: number): Faults {
  const duplicated = after.duplicated - before.duplicated;
  return {
    lost: wanted - (after.received - before.received - duplicated),
    duplicated,
    misordered: after.misordered - before.misordered,
    closed: after.closed - before.closed,
  };
}

/** `0, 0, 0`: lost, duplicated, misordered; and what must never be, sessions that were closed. */
export function faultsText(all: readonly Faults[]): string {
  const sum = (pick: (one: Faults) => number): number => all.reduce((total, one) => total + pick(one), 0);
  const closed = sum((one) => one.closed);
  const text = `${sum((one) => one.lost)}, ${sum((one) => one.duplicated)}, ${sum((one) => one.misordered)}`;
  return closed === 0 ? text : `${text}; ${closed} closed`;
}

export const FAULTS_HEAD = "lost, dup., misord.";
