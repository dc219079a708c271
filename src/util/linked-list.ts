/** Entry of a list. Only its list modifies it. */
export interface LinkedEntry<Value> {
  readonly value: Value;
  previous: LinkedEntry<Value> | undefined;
  next: LinkedEntry<Value> | undefined;
}

/**
 * List for values that are added and removed with every request, and are visited by a periodic sweep.
 *
 * A Set would burden V8's garbage collector. An outgrown hash table keeps its entries and points to its successor. Once
 * one table is in the old generation, all later tables and all requests in them survive until the next full collection,
 * which doubled the CPU time of gRPC calls. Removed entries of this list reference nothing.
 */
export class LinkedList<Value> {
  #first: LinkedEntry<Value> | undefined;
  #last: LinkedEntry<Value> | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Oldest value; undefined for an empty list. */
  get first(): Value | undefined {
    return this.#first?.value;
  }

  /** @returns the entry, for {@link remove} */
  add(value: Value): LinkedEntry<Value> {
    const entry: LinkedEntry<Value> = { value, previous: this.#last, next: undefined };
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    return entry;
  }

  /** @param entry - of this list; an entry that was removed before is ignored */
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

  /** Returns a copy of the values, oldest first, so that entries may be removed during iteration. */
  values(): Value[] {
    const values: Value[] = [];
    for (let entry = this.#first; entry !== undefined; entry = entry.next) values.push(entry.value);
    return values;
  }
}
