/**
 * Messages by which nodes replicate a node's items: they read the items in pages, and receive changes.
 *
 * The node counts all its changes, sent or not. A replica uses the count to recognize changes that a page already
 * contains, and to detect lost messages.
 */

/** Id of an item, which defines the order of pages. Never reused. */
export type ItemId = number | string;

export interface Identified {
  readonly id: ItemId;
}

export type ReplicaChange<Item extends Identified, Reason> =
  | { readonly added: Item }
  | { readonly removed: Item["id"]; readonly why: Reason };

export type ReplicaChanges<Item extends Identified, Reason> = {
  /** Count of the first change. */
  readonly first: number;
  readonly changes: readonly ReplicaChange<Item, Reason>[];
};

/** Last read id by node; null when its pages are complete. A node without an entry sends its first page. */
export type Cursors = Readonly<Record<string, ItemId | null>>;

export type PageAnswer<Item> = {
  /** Count of the last change that the page contains. */
  readonly count: number;
  /** Items in the order of their ids. */
  readonly items: readonly Item[];
  /** Whether another page follows. */
  readonly more: boolean;
};

/** Maximum number of items in a page. */
export const PAGE_SIZE = 500;
