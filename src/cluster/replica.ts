import type { Identified, ItemId, PageAnswer, ReplicaChange, ReplicaChanges } from "./replica-messages.js";

/** Maximum number of changes buffered during a read; beyond it the read restarts. */
const MAX_BUFFERED = 100_000;

/** Receives the changes of a replica. */
export interface ReplicaEvents<Item extends Identified, Reason> {
  onAdded(item: Item): void;
  onRemoved(item: Item, why: Reason): void;
}

interface PendingRead<Item extends Identified, Reason> {
  /** Last read id; undefined before the first page. */
  cursor: ItemId | undefined;
  /** Count of the first page; undefined until it has arrived. */
  count: number | undefined;
  readonly items: Map<ItemId, Item>;
  /** Changes received during the read, with their counts. */
  readonly buffered: { readonly count: number; readonly change: ReplicaChange<Item, Reason> }[];
}

/**
 * A copy of another node's items. It is read in pages while the items change: changes after the first page's count are
 * buffered and applied at the end. Later pages may contain some of them already, which is harmless because ids are never
 * reused. After a lost message the items are read again, and the differences are reported.
 */
export class Replica<Item extends Identified, Reason> {
  readonly #events: ReplicaEvents<Item, Reason>;
  /** Reason reported for items that are removed without a received change. */
  readonly #lost: Reason;
  #items = new Map<ItemId, Item>();
  /** Count of the last applied change; undefined while the copy is invalid. */
  #count: number | undefined;
  #reading: PendingRead<Item, Reason> | undefined;

  constructor(events: ReplicaEvents<Item, Reason>, lost: Reason) {
    this.#events = events;
    this.#lost = lost;
  }

  get items(): Iterable<Item> {
    return this.#items.values();
  }

  /** True when the copy is invalid and no read is in progress. */
  get stale(): boolean {
    return this.#count === undefined && this.#reading === undefined;
  }

  /** Last read id; undefined before the first page; null when no read is in progress. */
  get cursor(): ItemId | null | undefined {
    return this.#reading === undefined ? null : this.#reading.cursor;
  }

  /** Marks the copy as invalid, and cancels a read. */
  invalidate(): void {
    this.#count = undefined;
    this.#reading = undefined;
  }

  /** Starts a read. */
  read(): void {
    this.#count = undefined;
    this.#reading = { cursor: undefined, count: undefined, items: new Map(), buffered: [] };
  }

  takePage({ count, items, more }: PageAnswer<Item>): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    for (const item of items) reading.items.set(item.id, item);
    reading.count ??= count;
    reading.cursor = items.at(-1)?.id;
    if (!more) this.#finish(reading);
  }

  takeChanges({ changes, first }: ReplicaChanges<Item, Reason>): void {
    for (const [position, change] of changes.entries()) this.#take(first + position, change);
  }

  /** Compares the node's count with the copy's, which is lower after a lost message. */
  checkCount(count: number): void {
    if (this.#count !== undefined && this.#count < count) this.invalidate();
  }

  /** Removes all items, because the node is gone. */
  end(): void {
    const items = this.#items;
    this.#items = new Map();
    this.invalidate();
    for (const item of items.values()) this.#events.onRemoved(item, this.#lost);
  }

  #finish({ count, items, buffered }: PendingRead<Item, Reason>): void {
    const before = this.#items;
    this.#items = items;
    this.#reading = undefined;
    this.#count = count;
    for (const [id, item] of before) if (!items.has(id)) this.#events.onRemoved(item, this.#lost);
    for (const [id, item] of items) {
      const known = before.get(id);
      // The known object is kept, because receivers hold references to it.
      if (known === undefined) this.#events.onAdded(item);
      else items.set(id, known);
    }
    for (const { change, count: changeCount } of buffered) this.#take(changeCount, change);
  }

  #take(count: number, change: ReplicaChange<Item, Reason>): void {
    if (this.#reading !== undefined) {
      this.#reading.buffered.push({ count, change });
      if (this.#reading.buffered.length > MAX_BUFFERED) this.invalidate();
      return;
    }
    if (this.#count === undefined || count <= this.#count) return;
    if (count > this.#count + 1) {
      this.invalidate();
      return;
    }
    this.#count = count;
    this.#apply(change);
  }

  #apply(change: ReplicaChange<Item, Reason>): void {
    const id = "added" in change ? change.added.id : change.removed;
    const known = this.#items.get(id);
    if ("added" in change) {
      if (known !== undefined) return;
      this.#items.set(id, change.added);
      this.#events.onAdded(change.added);
    } else if (known !== undefined) {
      this.#items.delete(id);
      this.#events.onRemoved(known, change.why);
    }
  }
}
