/** Counts by key. A key with a count of zero takes no memory. */
export class KeyedCounts {
  readonly #counts = new Map<string, number>();

  /** Number of keys with a count above zero. */
  get size(): number {
    return this.#counts.size;
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Adds one. @returns false, and adds nothing, when the limit is reached */
  acquire(key: string, limit: number): boolean {
    const count = this.of(key);
    if (count >= limit) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  /** Subtracts one. */
  release(key: string): void {
    const count = this.of(key);
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }
}
