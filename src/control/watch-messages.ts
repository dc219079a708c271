import type { Cursors, ReplicaChanges } from "../cluster/replica-messages.js";
import type { ConnectionInfo } from "./connection-info.js";

/**
 * Messages between nodes about watches of connections. A node that watches a vhost requests the connections of all nodes, in
 * pages. The other nodes then send it their changes until it stops renewing its lease.
 */
export const WATCH_PAGE = "watch.page";
export const WATCH_COUNT = "watch.count";
export const WATCH_END = "watch.end";
export const WATCH_CHANGES = "watch.changes";

/** Time for which a node sends changes to a watching node after that node's last renewal, in milliseconds. */
export const LEASE = 30_000;
/** Time between two renewals, in milliseconds. */
export const RENEWAL = 10_000;

export type WatchPageRequest = { readonly vhost: string; readonly cursors: Cursors };

export type VhostMessage = { readonly vhost: string };

/** Opened and closed connections, the latter with their close code. */
export type ConnectionChanges = ReplicaChanges<ConnectionInfo, number>;

export type VhostChanges = ConnectionChanges & VhostMessage;
