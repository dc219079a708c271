import type { PresenceStep } from "./difference.js";
import type { Member } from "./presence.js";
import type { PresenceEntry } from "./presence-entry.js";

/** Number of pending steps above which sorting a new list is cheaper. */
const MAX_STEPS = 100;

/**
 * The members of a topic, ordered by connection. Changes are applied when the list is read, so a join takes constant time,
 * and reading after few changes takes a copy without a sort.
 */
export class PresenceListing {
  #members: readonly Member[];
  #steps: PresenceStep[] = [];

  constructor(entries: Iterable<PresenceEntry>) {
    const members = Array.from(entries, ({ member }) => member);
    this.#members = members.toSorted((a, b) => (a.connectionId < b.connectionId ? -1 : 1));
  }

  get outdated(): boolean {
    return this.#steps.length > MAX_STEPS;
  }

  note(step: PresenceStep): void {
    this.#steps.push(step);
  }

  /** Lists the members. Never modifies a list that was returned earlier. */
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

/** Finds the index of a connection, or the index at which to insert it. */
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
