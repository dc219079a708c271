/** Bounds of a {@link BoundedMap}. */
export interface MapBounds {
  /** Maximum number of entries. */
  readonly entries: number;
  /** Maximum number of bytes of all entries, as in {@link computeTextSize} and {@link ENTRY_SIZE}. */
  readonly bytes: number;
}

/** Size of an entry in addition to its key, in bytes. */
export const ENTRY_SIZE = 128;

/** Maximum number of entries that one call removes, so that lowered bounds do not block the event loop. */
const MAX_REMOVED = 32;

/** Returns the maximum number of bytes that a text takes in memory. */
export function computeTextSize(text: string): number {
  return text.length * 2;
}

/** A map with text as keys that removes the least recently set entries when it has too many entries or bytes. */
export class BoundedMap<Value> {
  readonly #entries = new Map<string, Value>();
  #bytes = 0;

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  /** Sets an entry, which becomes the newest. @param onRemove - called for each entry that the bounds remove */
  set(key: string, value: Value, bounds: MapBounds, onRemove?: (value: Value) => void): void {
    this.delete(key);
    this.#entries.set(key, value);
    this.#bytes += ENTRY_SIZE + computeTextSize(key);
    let removed = 0;
    for (const [oldest, each] of this.#entries) {
      const isWithin = this.#entries.size <= bounds.entries && this.#bytes <= bounds.bytes;
      if (isWithin || removed === MAX_REMOVED) return;
      this.delete(oldest);
      onRemove?.(each);
      removed += 1;
    }
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#bytes -= ENTRY_SIZE + computeTextSize(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  /** Entries, the least recently set one first. */
  [Symbol.iterator](): IterableIterator<[string, Value]> {
    return this.#entries.entries();
  }
}
