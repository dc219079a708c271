import { BoundedMap } from "./bounded-map.js";

/** An id that was used before. */
interface RecentUse {
  readonly sequence: number;
  /** Time of the use, in milliseconds of a monotonic clock. */
  readonly at: number;
}

/** Maximum number of remembered ids. If more are used within the window, the oldest are forgotten early. */
const MAX_IDS = 100_000;

/** The message ids of a log within a window, to recognize duplicates (rule H5). */
export class RecentIds {
  /** By id and topic. Insertion order is the order of use. */
  readonly #uses = new BoundedMap<RecentUse>();
  readonly #limit: number;

  constructor(limit = MAX_IDS) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#uses.size;
  }

  /** Size of the ids with their topics, in bytes. */
  get bytes(): number {
    return this.#uses.bytes;
  }

  /** Time of the oldest remembered use; undefined for none. */
  get oldest(): number | undefined {
    for (const [, { at }] of this.#uses) return at;
    return undefined;
  }

  /** Returns the sequence of the first message with this id; undefined for a new id. @param since - begin of the window */
  find(topic: string, id: string, since: number): number | undefined {
    const use = this.#uses.get(toKey(topic, id));
    return use !== undefined && use.at > since ? use.sequence : undefined;
  }

  /** Adds an id as the newest. @param bytes - maximum number of bytes of all ids; the oldest are forgotten */
  add(topic: string, id: string, use: RecentUse, bytes: number): void {
    this.#uses.set(toKey(topic, id), use, { entries: this.#limit, bytes });
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
}

/** Topic names contain no line feed. */
function toKey(topic: string, id: string): string {
  return `${topic}\n${id}`;
}
