import type { PresenceStep } from "./difference.js";
import type { Member } from "./presence.js";
import type { PresenceEntry } from "./presence-entry.js";

/** Pending steps above which sorting a new list costs less. */
const MOST_STEPS = 100;

/**
 * The members of a topic, ordered by connection. Changes are applied when the list is read: a join costs the same for any
 * number of members, and reading after few changes costs a copy and no sort.
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

  /** Lists the members. Lists returned earlier do not change. */
  read(): readonly Member[] {
    if (this.#steps.length === 0) return this.#members;
    const members = [...this.#members];
    for (const { here, member } of this.#steps) {
      const position = findPosition(members, member.connectionId);
      if (here) members.splice(position, 0, member);
      else members.splice(position, 1);
    }
    this.#members = members;
    this.#steps = [];
    return members;
  }
}

/** Finds the index of a connection, or the one where it belongs. */
function findPosition(members: readonly Member[], connectionId: string): number {
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
