import type { ConnectionFacts } from "./facts.js";

/**
 * What nodes say to each other about who watches connections. A node that watches a vhost asks all for what they have,
 * in pages; from then on they tell it what changes, for as long as it goes on asking.
 *
 * Every node counts the changes of each of its vhosts, watched or not: the count is that of the last change. So whoever
 * watches knows what a page already holds, and notices when something was lost on the way.
 */
export const WATCH_PAGE = "watch.page";
export const WATCH_COUNT = "watch.count";
export const WATCH_END = "watch.end";
export const WATCH_CHANGES = "watch.changes";

/** How long a node goes on telling one that it does not hear of any more, in milliseconds. */
export const LEASE = 30_000;
/** How often a node that watches asks for more time. */
export const RENEWAL = 10_000;

/** Connections of one answer. */
export const PAGE_SIZE = 500;

/** By node: the id after which to go on; null: nothing more. A node that is not named begins. */
export type PageAsked = { readonly vhost: string; readonly cursors: Readonly<Record<string, string | null>> };

export type PageAnswer = {
  readonly count: number;
  readonly items: readonly ConnectionFacts[];
  readonly more: boolean;
};

export type VhostAsked = { readonly vhost: string };

export type Change =
  | { readonly id: string; readonly opened: ConnectionFacts }
  | { readonly id: string; readonly closed: number };

export type Changes = {
  readonly vhost: string;
  /** The count of the first of them. */
  readonly first: number;
  readonly changes: readonly Change[];
};
