import { ChangeLog, type ChangeLogOptions } from "./change-log.js";
import { PAGE_SIZE, type PageAnswer } from "./replica-messages.js";

/** Most characters that the items of one page hold, as `weigh` counts them. */
const LARGEST_PAGE = 512 << 10;

export interface OwnItemsOptions<Item extends NumberedItem, Why> extends ChangeLogOptions<Item, Why> {
  /** Counts the characters of an item that is large; 0 for all by default. */
  readonly weigh?: (item: Item) => number;
}

/** An item of this node. Ids grow with each item that the node adds. */
export type NumberedItem = { readonly id: number };

/** The items that this node speaks for: it tells the others what changes, and lets them read all items in pages. */
export class OwnItems<Item extends NumberedItem, Why> {
  /** By their ids, in ascending order. */
  readonly #items = new Map<number, Item>();
  readonly #log: ChangeLog<Item, Why>;
  readonly #weigh: (item: Item) => number;

  constructor({ weigh = () => 0, ...options }: OwnItemsOptions<Item, Why>) {
    this.#log = new ChangeLog(options);
    this.#weigh = weigh;
  }

  /** Count of the last change. The others have been told of it when this returns. */
  get count(): number {
    this.#log.flush();
    return this.#log.count;
  }

  has(item: Item): boolean {
    return this.#items.get(item.id) === item;
  }

  /** @param create - makes the item, given its id */
  add(create: (id: number) => Item): Item {
    const item = create(this.#log.count + 1);
    this.#items.set(item.id, item);
    this.#log.note(() => ({ added: item }));
    return item;
  }

  remove({ id }: Item, why: Why): void {
    this.#items.delete(id);
    this.#log.note(() => ({ removed: id, why }));
  }

  flush(): void {
    this.#log.flush();
  }

  /** Reads a page. @param after - the last id that was read before; 0 at first */
  page(after: number): PageAnswer<Item> {
    const { count } = this;
    const items: Item[] = [];
    let characters = 0;
    // Passing over the items of earlier pages costs nanoseconds each, so no further index is needed.
    for (const [id, item] of this.#items) {
      if (id <= after) continue;
      if (items.length === PAGE_SIZE || characters > LARGEST_PAGE) return { count, items, more: true };
      characters += this.#weigh(item);
      items.push(item);
    }
    return { count, items, more: false };
  }
}
