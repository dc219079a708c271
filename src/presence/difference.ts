import { mergeInfo } from "../access/decide/info.js";
import type { Member, PresenceChange } from "./presence.js";
import { isSameUser } from "./presence-entry.js";

/** A member that joined or left. */
export interface PresenceStep {
  readonly member: Member;
  readonly here: boolean;
  /** Data that the member sent when it left, as JSON text of an object. */
  readonly leaveInfo?: string | undefined;
}

interface Ends {
  readonly before: Member | undefined;
  after: Member | undefined;
  /** Data that the member sent when it last left. */
  leaveInfo: string | undefined;
}

/**
 * Combines steps into one change. A member that joined and left is in neither list. A member that rejoined as another user
 * is in both.
 * @returns undefined when nothing has changed
 */
export function toDifference(steps: Iterable<PresenceStep>, count: number): PresenceChange | undefined {
  const changed = new Map<string, Ends>();
  for (const { leaveInfo, here, member } of steps) {
    const ends = changed.get(member.connectionId);
    const after = here ? member : undefined;
    if (ends === undefined) {
      changed.set(member.connectionId, { before: here ? undefined : member, after, leaveInfo });
      continue;
    }
    ends.after = after;
    if (!here) ends.leaveInfo = leaveInfo;
  }
  const joined: Member[] = [];
  const left: Member[] = [];
  for (const { after, before, leaveInfo } of changed.values()) {
    if (isSame(before, after)) continue;
    if (before !== undefined) left.push(addLeaveInfo(before, leaveInfo));
    if (after !== undefined) joined.push(after);
  }
  return joined.length + left.length === 0 ? undefined : { joined, left, count };
}

function addLeaveInfo(member: Member, leaveInfo: string | undefined): Member {
  return leaveInfo === undefined ? member : { ...member, info: mergeInfo(member.info, leaveInfo) };
}

function isSame(a: Member | undefined, b: Member | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.joined === b.joined && isSameUser(a, b));
}
