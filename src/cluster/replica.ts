import type { Id, Identified, PageAnswer, ReplicaChange, ReplicaChanges } from "./replica-messages.js";

/** Changes that are kept while pages are on their way; beyond that the reading begins anew. */
const MAX_KEPT = 100_000;

/** Told of what changes in the copy. */
export interface ReplicaEvents<Item extends Identified, Why> {
  onAdded(item: Item): void;
  onRemoved(item: Item, why: Why): void;
}

interface Reading<Item extends Identified, Why> {
  /** Where it goes on: after this id; undefined: at the beginning. */
  cursor: Id | undefined;
  /** Of the first page; undefined until that has come. */
  count: number | undefined;
  readonly items: Map<Id, Item>;
  /** With the count of each. */
  readonly kept: { readonly count: number; readonly change: ReplicaChange<Item, Why> }[];
}

/**
 * A copy of what one node has, as it has told. It is read in pages while it changes: what came after the first page's
 * count is kept and made up for. Later pages hold some of that already, which does no harm: an id stands for one item, and
 * never comes again once it has gone. When something was lost on the way it is read anew, and the difference told.
 */
export class Replica<Item extends Identified, Why> {
  readonly #events: ReplicaEvents<Item, Why>;
  /** Why items go that nobody has told the end of. */
  readonly #lost: Why;
  #items = new Map<Id, Item>();
  /** Of the last change that is in here; undefined while it is not known what is. */
  #count: number | undefined;
  #reading: Reading<Item, Why> | undefined;

  constructor(events: ReplicaEvents<Item, Why>, lost: Why) {
    this.#events = events;
    this.#lost = lost;
  }

  get items(): Iterable<Item> {
    return this.#items.values();
  }

  /** Whether it must be read, and nobody does. */
  get stale(): boolean {
    return this.#count === undefined && this.#reading === undefined;
  }

  /** Where reading goes on: after this id; undefined: at the beginning; null where it is not being read. */
  get cursor(): Id | null | undefined {
    return this.#reading === undefined ? null : this.#reading.cursor;
  }

  /** What is here may be wrong. */
  distrust(): void {
    this.#count = undefined;
    this.#reading = undefined;
  }

  /** Begins to read it. */
  read(): void {
    this.#count = undefined;
    this.#reading = { cursor: undefined, count: undefined, items: new Map(), kept: [] };
  }

  takePage({ count, items, more }: PageAnswer<Item>): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    for (const item of items) reading.items.set(item.id, item);
    reading.count ??= count;
    reading.cursor = items.at(-1)?.id;
    if (!more) this.#finish(reading);
  }

  takeChanges({ changes, first }: ReplicaChanges<Item, Why>): void {
    for (const [position, change] of changes.entries()) this.#take(first + position, change);
  }

  /** The node says how far it is: behind that something was lost. */
  checkCount(count: number): void {
    if (this.#count !== undefined && this.#count < count) this.distrust();
  }

  /** The node is gone, and what it had with it. */
  end(): void {
    const items = this.#items;
    this.#items = new Map();
    this.distrust();
    for (const item of items.values()) this.#events.onRemoved(item, this.#lost);
  }

  #finish({ count, items, kept }: Reading<Item, Why>): void {
    const before = this.#items;
    this.#items = items;
    this.#reading = undefined;
    this.#count = count;
    for (const [id, item] of before) if (!items.has(id)) this.#events.onRemoved(item, this.#lost);
    for (const [id, item] of items) {
      const known = before.get(id);
      // Whoever was told of an item holds on to that one.
      if (known === undefined) this.#events.onAdded(item);
      else items.set(id, known);
    }
    for (const each of kept) this.#take(each.count, each.change);
  }

  #take(count: number, change: ReplicaChange<Item, Why>): void {
    if (this.#reading !== undefined) {
      this.#reading.kept.push({ count, change });
      if (this.#reading.kept.length > MAX_KEPT) this.distrust();
      return;
    }
    if (this.#count === undefined || count <= this.#count) return;
    if (count > this.#count + 1) {
      this.distrust();
      return;
    }
    this.#count = count;
    this.#apply(change);
  }

  #apply(change: ReplicaChange<Item, Why>): void {
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
