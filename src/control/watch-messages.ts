import type { Cursors, ReplicaChanges } from "../cluster/replica-messages.js";
import type { ConnectionInfo } from "./connection-info.js";

/**
 * What nodes say to each other about who watches connections. A node that watches a vhost asks all for what they have,
 * in pages; from then on they tell it what changes, for as long as it goes on asking.
 */
export const WATCH_PAGE = "watch.page";
export const WATCH_COUNT = "watch.count";
export const WATCH_END = "watch.end";
export const WATCH_CHANGES = "watch.changes";

/** How long a node goes on telling one that it does not hear of any more, in milliseconds. */
export const LEASE = 30_000;
/** How often a node that watches asks for more time. */
export const RENEWAL = 10_000;

export type WatchPageRequest = { readonly vhost: string; readonly cursors: Cursors };

export type VhostAsked = { readonly vhost: string };

/** Removed with the close code. */
export type ConnectionChanges = ReplicaChanges<ConnectionInfo, number>;

export type VhostChanges = ConnectionChanges & VhostAsked;
