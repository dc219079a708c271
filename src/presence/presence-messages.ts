import { NO_INFO } from "../access/decide/info.js";
import type { Cursors, ReplicaChanges } from "../cluster/replica-messages.js";
import type { PresenceEntry } from "./presence-entry.js";

/**
 * Messages between nodes about members. Each node sends its changes to all others. A node that is new, or has missed a
 * message, reads the members of another node in pages.
 */
export const PRESENCE_CHANGES = "presence.changes";
export const PRESENCE_PAGE = "presence.page";
/** Kind of the messages with the count of a node's changes, which reveal that its last messages were lost. */
export const PRESENCE_COUNT = "presence.count";

/** Interval of the counts, in milliseconds. */
export const COUNT_INTERVAL = 1_000;

/** Data that a member sent when it left: JSON text of an object; null for none. */
export type LeaveInfo = string | null;

export type MemberChanges = ReplicaChanges<PresenceEntry, LeaveInfo>;

export type PresencePageRequest = { readonly cursors: Cursors };

/**
 * Creates a function that reduces the memory of one message's entries: entries of one topic share the string of its key, and
 * entries without information share one string.
 * @param known - finds the key of a topic that exists on this node
 */
export function createShrinker(known: (key: string) => string | undefined): (entry: PresenceEntry) => PresenceEntry {
  let key = "";
  return ({ id, key: theirs, member: { connectionId, info, joined, user } }) => {
    if (theirs !== key) key = known(theirs) ?? theirs;
    return { id, key, member: { connectionId, user, info: info === NO_INFO ? NO_INFO : info, joined } };
  };
}
