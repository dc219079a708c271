/** An id that was used before. */
interface RecentUse {
  readonly sequence: number;
  /** Time of the use, in milliseconds of a monotonic clock. */
  readonly at: number;
}

/** Most remembered ids. If more are used within the window, the oldest are forgotten early. */
const MAX_IDS = 100_000;

/** The message ids of a log within a window, to recognize duplicates (rule H5). */
export class RecentIds {
  /** By id and topic. Insertion order is the order of use. */
  readonly #uses = new Map<string, RecentUse>();
  readonly #limit: number;

  constructor(limit = MAX_IDS) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#uses.size;
  }

  /** Time of the oldest remembered use; undefined for none. */
  get oldest(): number | undefined {
    for (const { at } of this.#uses.values()) return at;
    return undefined;
  }

  /** Returns the sequence of the first message with this id; undefined for a new id. @param since - begin of the window */
  find(topic: string, id: string, since: number): number | undefined {
    const use = this.#uses.get(toKey(topic, id));
    return use !== undefined && use.at > since ? use.sequence : undefined;
  }

  add(topic: string, id: string, use: RecentUse): void {
    const key = toKey(topic, id);
    // An expired use of the same id would keep its place in the order.
    this.#uses.delete(key);
    this.#uses.set(key, use);
    if (this.#uses.size > this.#limit) this.#removeOldest();
  }

  /** Forgets ids that were used before the window. @returns the number of removed ids, at most `most` */
  expire(since: number, most: number): number {
    let count = 0;
    for (const [key, { at }] of this.#uses) {
      if (at > since || count === most) break;
      this.#uses.delete(key);
      count += 1;
    }
    return count;
  }

  clear(): void {
    this.#uses.clear();
  }

  #removeOldest(): void {
    for (const key of this.#uses.keys()) {
      this.#uses.delete(key);
      return;
    }
  }
}

/** Topic names contain no line feed. */
function toKey(topic: string, id: string): string {
  return `${topic}\n${id}`;
}
