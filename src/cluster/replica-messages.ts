/**
 * How a node lets others keep a copy of what it has: they read it in pages, and are told what changes.
 *
 * The node counts its changes, told or not: the count is that of the last one. So whoever keeps a copy knows what a page
 * already holds, and notices when something was lost on the way.
 */

/** Orders what a node has; it is read in this order. Never used again for something else. */
export type Id = number | string;

export interface Identified {
  readonly id: Id;
}

export type ReplicaChange<Item extends Identified, Why> =
  | { readonly added: Item }
  | { readonly removed: Item["id"]; readonly why: Why };

export type ReplicaChanges<Item extends Identified, Why> = {
  /** The count of the first of them. */
  readonly first: number;
  readonly changes: readonly ReplicaChange<Item, Why>[];
};

/** By node: the id after which to go on; null: nothing more. A node that is not named begins. */
export type Cursors = Readonly<Record<string, Id | null>>;

export type PageAnswer<Item> = {
  /** Of the last change that it holds. */
  readonly count: number;
  /** In the order of their ids. */
  readonly items: readonly Item[];
  /** There is something after the last of them. */
  readonly more: boolean;
};

/** Items of one answer. */
export const PAGE_SIZE = 500;
