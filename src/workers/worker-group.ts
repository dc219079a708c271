import type { Place } from "./directory.js";
import type { HeldTask } from "./held-task.js";
import type { Seat } from "./seat.js";

/** The workers of this node that have one pattern, and the tasks that wait for them. */
export class WorkerGroup {
  readonly place: Place;
  readonly seats: Seat[] = [];
  /** First come, first served. */
  readonly waiting = new Set<HeldTask>();
  /** Resolves when other nodes know of it. */
  announced: Promise<void> = Promise.resolve();
  /** Ends what the group hears from other nodes. */
  end: () => void = () => {};
  #turn = 0;

  constructor(place: Place) {
    this.place = place;
  }

  /** The worker with most room for it; of several the one whose turn it is. Undefined where nobody is free. */
  pick(not: readonly string[]): Seat | undefined {
    const { seats } = this;
    let best: Seat | undefined;
    for (let step = 1; step <= seats.length; step += 1) {
      const seat = seats[(this.#turn + step) % seats.length];
      if (seat === undefined || seat.free <= (best?.free ?? 0) || not.includes(seat.id)) continue;
      best = seat;
    }
    if (best !== undefined) this.#turn = seats.indexOf(best);
    return best;
  }

  /** Whether a worker could have it now. */
  isFree(not: readonly string[]): boolean {
    return this.seats.some((seat) => seat.free > 0 && !not.includes(seat.id));
  }

  /** Whether there is a worker that may have a task, now or later. */
  has(not: readonly string[]): boolean {
    return this.seats.some((seat) => !seat.leaving && !not.includes(seat.id));
  }

  /** The task that has waited longest for this worker. */
  nextFor(seat: Seat): HeldTask | undefined {
    for (const task of this.waiting) if (task.suits(seat)) return task;
    return undefined;
  }
}
