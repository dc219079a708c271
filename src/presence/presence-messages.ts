import { NO_INFO } from "../access/decide/info.js";
import type { Cursors, ReplicaChanges } from "../cluster/replica-messages.js";
import type { PresenceEntry } from "./presence-entry.js";

/**
 * What nodes say to each other about members. Each tells all others what changes; who comes new, or has missed something,
 * reads a node's members in pages.
 */
export const PRESENCE_CHANGES = "presence.changes";
export const PRESENCE_PAGE = "presence.page";
/** How far a node is, so that the loss of its last words is noticed. */
export const PRESENCE_COUNT = "presence.count";

/** How often that is told, in milliseconds. */
export const COUNT_INTERVAL = 1_000;

/** Data that a member gave when it left: JSON text of an object; null for none. */
export type PresenceFarewell = string | null;

export type MemberChanges = ReplicaChanges<PresenceEntry, PresenceFarewell>;

export type PresencePageRequest = { readonly cursors: Cursors };

/**
 * Makes small what comes in one word of another node: members of one place share its key, and those of whom nothing is
 * known, that.
 * @param known - the key of a place that is there already
 */
export function shrinker(known: (key: string) => string | undefined): (entry: PresenceEntry) => PresenceEntry {
  let key = "";
  return ({ id, key: theirs, member: { connectionId, info, joined, user } }) => {
    if (theirs !== key) key = known(theirs) ?? theirs;
    return { id, key, member: { connectionId, user, info: info === NO_INFO ? NO_INFO : info, joined } };
  };
}
