/** Long work in parts: yields the cost of each finished part. */
export type WorkInParts<Result> = Iterator<number, Result>;

interface Job {
  /** Does parts until the budget is spent. Returns the rest of the budget, which is positive only when the job has ended. */
  proceed(budget: number): number;
}

/** Maximum number of jobs in one turn. */
const MAX_JOBS = 256;

/**
 * Queue for long work of many callers. Does one slice of work in each turn of the event loop, so that other work continues
 * in between. Jobs of one key run in order, and keys take turns, so a caller with much work delays only its own key.
 */
export class TurnQueue {
  readonly #budget: number;
  readonly #nextTurn: (run: () => void) => void;
  /** Jobs by key, in the order of turns. The first job of each key is in progress. */
  readonly #jobs = new Map<string, Job[]>();
  #scheduled = false;

  /**
   * @param budget - maximum cost of a slice; a single part may exceed it
   * @param nextTurn - schedules a function after the I/O of this turn
   */
  constructor(budget: number, nextTurn: (run: () => void) => void) {
    this.#budget = budget;
    this.#nextTurn = nextTurn;
  }

  /**
   * Runs work, beginning with the next turn.
   * @throws errors of the work
   */
  run<Result>(key: string, work: WorkInParts<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const proceed = (budget: number): number => {
        let left = budget;
        try {
          while (left > 0) {
            const part = work.next();
            if (part.done === true) {
              resolve(part.value);
              break;
            }
            left -= part.value;
          }
        } catch (cause) {
          reject(cause);
        }
        return left;
      };
      const jobs = this.#jobs.get(key) ?? [];
      jobs.push({ proceed });
      this.#jobs.set(key, jobs);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#jobs.size === 0) return;
    this.#scheduled = true;
    this.#nextTurn(() => {
      this.#scheduled = false;
      this.#takeTurn();
      this.#schedule();
    });
  }

  #takeTurn(): void {
    let left = this.#budget;
    let count = 0;
    // A reinserted key is visited again in the same turn, after the others.
    for (const [key, jobs] of this.#jobs) {
      left = jobs[0]?.proceed(left) ?? left;
      if (left > 0) jobs.shift();
      this.#jobs.delete(key);
      if (jobs.length > 0) this.#jobs.set(key, jobs);
      count += 1;
      if (left <= 0 || count === MAX_JOBS) return;
    }
  }
}
