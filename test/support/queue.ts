/** Queue of values whose reader waits for the next one. */
export class Queue<T> {
  readonly #values: T[] = [];
  readonly #waiters: ((value: T) => void)[] = [];

  push(value: T): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#values.push(value);
    else waiter(value);
  }

  next(): Promise<T> {
    const [first] = this.#values.splice(0, 1);
    if (first !== undefined) return Promise.resolve(first);
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  /** Values that have not been read. */
  get unread(): readonly T[] {
    return this.#values;
  }
}
