/** Lets a limited number of callers run at a time; others wait in the order in which they asked. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param most - how many may run at a time */
  constructor(most: number) {
    this.#free = most;
  }

  /** Resolves when it is the caller's turn, which ends with `give`. */
  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
