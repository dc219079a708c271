import { CarillonError } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";

/** What waits for one watcher. Bounded: a watcher that does not keep up is told so, not left with gaps (O6). */
export class ChangeQueue<T> {
  readonly #limit: number;
  #values: T[] = [];
  /** How many of them have been taken. */
  #taken = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(value: T): void {
    if (this.#failure !== undefined) return;
    if (this.#values.length - this.#taken >= this.#limit) {
      const text = `the watcher is too slow: ${this.#limit} changes wait for it`;
      this.fail(new CarillonError("resource_exhausted", text));
      return;
    }
    this.#values.push(value);
    this.#wake?.();
  }

  /** Ends it: what waits is dropped. The first failure counts. */
  fail(failure: Error): void {
    this.#failure ??= failure;
    this.#values = [];
    this.#taken = 0;
    this.#wake?.();
  }

  /** @throws the failure */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** @throws the failure */
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
