import { CarillonError } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";

/** Bounded queue of one watcher. A watcher that reads too slowly gets an error instead of gaps (O6). */
export class ChangeQueue<T> {
  readonly #limit: number;
  #values: T[] = [];
  /** Number of values taken from the front of `#values`. */
  #taken = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(value: T): void {
    if (this.#failure !== undefined) return;
    if (this.#values.length - this.#taken >= this.#limit) {
      const text = `the watcher reads too slowly: ${this.#limit} changes are pending`;
      this.fail(new CarillonError("resource_exhausted", text));
      return;
    }
    this.#values.push(value);
    this.#wake?.();
  }

  /** Ends the queue and discards its values. The first failure is kept. */
  fail(failure: Error): void {
    this.#failure ??= failure;
    this.#values = [];
    this.#taken = 0;
    this.#wake?.();
  }

  /** Checks that the queue has not ended. @throws the failure */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Takes the next value, and waits for it if there is none. @throws the failure */
  async next(): Promise<T> {
    for (;;) {
      this.check();
      if (this.#taken < this.#values.length) return this.#take();
      const { promise, resolve } = withResolvers<void>();
      this.#wake = () => resolve(undefined);
      await promise;
      this.#wake = undefined;
    }
  }

  #take(): T {
    const value = this.#values[this.#taken] as T;
    this.#taken += 1;
    if (this.#taken === this.#values.length) {
      this.#values = [];
      this.#taken = 0;
    }
    return value;
  }
}
