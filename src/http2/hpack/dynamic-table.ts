import { fieldSize, type HeaderField } from "./header-field.js";

/** Slots that the first entry allocates: a power of two. */
const FIRST_SLOTS = 8;

/**
 * The dynamic table: RFC 7541, section 2.3.2. The entries are a ring, which grows to the largest number of entries so far: at
 * most a 32nd of the maximum size. An empty table allocates nothing.
 */
export class DynamicTable {
  #slots: (HeaderField | undefined)[] = [];
  /** Slot of the newest entry. */
  #newest = 0;
  #count = 0;
  #size = 0;
  #maxSize: number;

  /** @param maxSize - of all entries in bytes, as {@link fieldSize} counts */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  get maxSize(): number {
    return this.#maxSize;
  }

  /** @param index - from zero, the newest entry */
  get(index: number): HeaderField | undefined {
    return index < this.#count ? this.#slots[(this.#newest - index) & (this.#slots.length - 1)] : undefined;
  }

  /** Changes the maximum size and evicts entries: RFC 7541, section 4.3. */
  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#evictTo(maxSize);
  }

  /** Adds an entry and evicts old ones. A field larger than the whole table only empties it: RFC 7541, section 4.4. */
  insert(field: HeaderField): void {
    const size = fieldSize(field);
    this.#evictTo(this.#maxSize - size);
    if (size > this.#maxSize) return;
    if (this.#count === this.#slots.length) this.#grow();
    this.#newest = (this.#newest + 1) & (this.#slots.length - 1);
    this.#slots[this.#newest] = field;
    this.#count++;
    this.#size += size;
  }

  #evictTo(size: number): void {
    while (this.#size > size && this.#count > 0) {
      this.#count--;
      const oldest = (this.#newest - this.#count) & (this.#slots.length - 1);
      this.#size -= fieldSize(this.#slots[oldest] as HeaderField);
      this.#slots[oldest] = undefined;
    }
  }

  #grow(): void {
    const slots = Array.from<HeaderField | undefined>({ length: Math.max(FIRST_SLOTS, 2 * this.#slots.length) });
    for (let index = 0; index < this.#count; index++) slots[this.#count - 1 - index] = this.get(index);
    this.#slots = slots;
    this.#newest = (this.#count - 1) & (slots.length - 1);
  }
}
