/** One value of a list. Only its list changes it. */
export interface LinkedEntry<Value> {
  readonly value: Value;
  previous: LinkedEntry<Value> | undefined;
  next: LinkedEntry<Value> | undefined;
}

/**
 * Values that come and go with every request, for a sweep that looks at all of them now and then.
 *
 * A Set would do but for V8's garbage collector. A hash table that has outgrown itself keeps its entries and points to the
 * table that follows it. Once one table is old, all later ones, and every request that was in them, survive until the next
 * full collection: gRPC calls took twice the CPU time. Removed entries of this list point to nothing.
 */
export class LinkedList<Value> {
  #first: LinkedEntry<Value> | undefined;
  #last: LinkedEntry<Value> | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** @returns the entry, for {@link remove} */
  add(value: Value): LinkedEntry<Value> {
    const entry: LinkedEntry<Value> = { value, previous: this.#last, next: undefined };
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    return entry;
  }

  /** @param entry - of this list; one that was removed before is left alone */
  remove(entry: LinkedEntry<Value>): void {
    const { next, previous } = entry;
    if (previous === undefined && this.#first !== entry) return;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    entry.previous = undefined;
    entry.next = undefined;
  }

  /** The values, oldest first. Entries may be removed while they are looked at. */
  values(): Value[] {
    const values: Value[] = [];
    for (let entry = this.#first; entry !== undefined; entry = entry.next) values.push(entry.value);
    return values;
  }
}
