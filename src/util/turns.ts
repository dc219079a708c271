/** Work that takes long, in parts: each part that is done yields what it has cost. */
export type PartedWork<Result> = Iterator<number, Result>;

interface Job {
  /** Does parts until so much has been spent. @returns what is left: more than 0 only when the job has ended */
  proceed(budget: number): number;
}

/** Jobs of one turn, however little they cost. */
const MOST_JOBS = 256;

/**
 * Long work of many callers, done a slice at a time so that everything else goes on between: one slice in each turn of the
 * event loop. Callers of one key wait for each other in the order in which they came, and keys take turns: who asks for much
 * delays its own kind.
 */
export class TurnQueue {
  readonly #budget: number;
  readonly #nextTurn: (run: () => void) => void;
  /** By key, the one whose turn it is first; the first job of each is under way. */
  readonly #jobs = new Map<string, Job[]>();
  #scheduled = false;

  /**
   * @param budget - cost of a slice, after which the turn ends; one part may exceed it
   * @param nextTurn - runs something after the I/O of this turn
   */
  constructor(budget: number, nextTurn: (run: () => void) => void) {
    this.#budget = budget;
    this.#nextTurn = nextTurn;
  }

  /** Nothing of it is done in the turn that asks for it. @throws what the work throws */
  run<Result>(key: string, work: PartedWork<Result>): Promise<Result> {
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
        } catch (fault) {
          reject(fault);
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
    // A key that is put back comes again in the same turn, after the others.
    for (const [key, jobs] of this.#jobs) {
      left = jobs[0]?.proceed(left) ?? left;
      if (left > 0) jobs.shift();
      this.#jobs.delete(key);
      if (jobs.length > 0) this.#jobs.set(key, jobs);
      count += 1;
      if (left <= 0 || count === MOST_JOBS) return;
    }
  }
}
