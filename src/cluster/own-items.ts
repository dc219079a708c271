import { ChangeLog, type ChangeLogOptions } from "./change-log.js";
import { PAGE_SIZE, type PageAnswer } from "./replica-messages.js";

/** Maximum number of characters in the items of one page, as counted by `weigh`. */
const MAX_PAGE_CHARACTERS = 512 << 10;

export interface OwnItemsOptions<Item extends NumberedItem, Reason> extends ChangeLogOptions<Item, Reason> {
  /** Counts the characters of a large item. Default: 0 for every item. */
  readonly weigh?: (item: Item) => number;
}

/** An item of this node. Ids increase with each added item. */
export type NumberedItem = { readonly id: number };

/** The items that this node owns. Sends changes to other nodes, which read all items in pages. */
export class OwnItems<Item extends NumberedItem, Reason> {
  /** Items by id, in ascending order. */
  readonly #items = new Map<number, Item>();
  readonly #log: ChangeLog<Item, Reason>;
  readonly #weigh: (item: Item) => number;

  constructor({ weigh = () => 0, ...options }: OwnItemsOptions<Item, Reason>) {
    this.#log = new ChangeLog(options);
    this.#weigh = weigh;
  }

  /** Count of the last change. All changes have been sent when this returns. */
  get count(): number {
    this.#log.flush();
    return this.#log.count;
  }

  has(item: Item): boolean {
    return this.#items.get(item.id) === item;
  }

  /** @param create - creates the item, given its id */
  add(create: (id: number) => Item): Item {
    const item = create(this.#log.count + 1);
    this.#items.set(item.id, item);
    this.#log.note(() => ({ added: item }));
    return item;
  }

  remove({ id }: Item, why: Reason): void {
    this.#items.delete(id);
    this.#log.note(() => ({ removed: id, why }));
  }

  flush(): void {
    this.#log.flush();
  }

  /**
   * Reads a page.
   * @param after - last id of the preceding page; 0 for the first page
   */
  page(after: number): PageAnswer<Item> {
    const { count } = this;
    const items: Item[] = [];
    let characters = 0;
    // Skipping an item of an earlier page takes nanoseconds, so no further index is needed.
    for (const [id, item] of this.#items) {
      if (id <= after) continue;
      if (items.length === PAGE_SIZE || characters > MAX_PAGE_CHARACTERS) return { count, items, more: true };
      characters += this.#weigh(item);
      items.push(item);
    }
    return { count, items, more: false };
  }
}
