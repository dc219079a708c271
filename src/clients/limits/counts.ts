/** How many of each key there are. A key of which there are none takes no memory. */
export class Counts {
  readonly #counts = new Map<string, number>();

  /** How many keys there are. */
  get size(): number {
    return this.#counts.size;
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Takes a place. @returns false, and nothing is taken, when there are as many as there may be */
  take(key: string, limit: number): boolean {
    const count = this.of(key);
    if (count >= limit) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  /** Gives a place back. */
  give(key: string): void {
    const count = this.of(key);
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }
}
