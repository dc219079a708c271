import type { PresenceStep } from "./difference.js";
import type { Member } from "./presence.js";
import type { PresenceEntry } from "./presence-entry.js";

/** With more steps than these to make up for, a list is better made anew. */
const MOST_STEPS = 100;

/**
 * The members of a place by connection, in order. Who comes and goes is put in its place when somebody reads: so a join
 * costs the same however many are there, and reading after few have come and gone costs a copy, and no sorting of all.
 */
export class PresenceListing {
  #members: readonly Member[];
  #steps: PresenceStep[] = [];

  constructor(entries: Iterable<PresenceEntry>) {
    const members = Array.from(entries, ({ member }) => member);
    this.#members = members.toSorted((a, b) => (a.connectionId < b.connectionId ? -1 : 1));
  }

  get outdated(): boolean {
    return this.#steps.length > MOST_STEPS;
  }

  note(step: PresenceStep): void {
    this.#steps.push(step);
  }

  /** What was given before stays as it was. */
  read(): readonly Member[] {
    if (this.#steps.length === 0) return this.#members;
    const members = [...this.#members];
    for (const { here, member } of this.#steps) {
      const position = placeOf(members, member.connectionId);
      if (here) members.splice(position, 0, member);
      else members.splice(position, 1);
    }
    this.#members = members;
    this.#steps = [];
    return members;
  }
}

/** Where it is, or belongs. */
function placeOf(members: readonly Member[], connectionId: string): number {
  let from = 0;
  let to = members.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const there = members[middle];
    if (there !== undefined && there.connectionId < connectionId) from = middle + 1;
    else to = middle;
  }
  return from;
}
