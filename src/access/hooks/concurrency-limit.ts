/** Runs when there is a place for it; `leave` is to be called once it is done. */
type Start = () => void;

/** How many may wait: questions, which somebody waits for, and farewells, which come in thousands when a node stops. */
export const MAX_WAITING = { question: 1_000, farewell: 10_000 } as const;

export type Urgency = keyof typeof MAX_WAITING;

/** Lets so many calls be under way and a bounded number wait. Questions go first. */
export class ConcurrencyLimit {
  readonly #places: number;
  readonly #waiting: Readonly<Record<Urgency, Set<Start>>> = { question: new Set(), farewell: new Set() };
  #taken = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /**
   * Takes a place, now or later.
   * @returns gives up waiting: true when it had not begun; undefined when too many wait and it will never begin
   */
  enter(urgency: Urgency, start: Start): (() => boolean) | undefined {
    if (this.#taken < this.#places) {
      this.#taken += 1;
      start();
      return never;
    }
    const waiting = this.#waiting[urgency];
    if (waiting.size >= MAX_WAITING[urgency]) return undefined;
    waiting.add(start);
    return () => waiting.delete(start);
  }

  /** Gives a place to the next. */
  leave(): void {
    for (const waiting of [this.#waiting.question, this.#waiting.farewell]) {
      const [next] = waiting;
      if (next === undefined) continue;
      waiting.delete(next);
      next();
      return;
    }
    this.#taken -= 1;
  }
}

function never(): boolean {
  return false;
}
