import { patternWeight } from "../../access/patterns/pattern.js";
import type { AssignedTask } from "./assigned-task.js";
import type { TaskNeeds, WorkerHandle } from "./worker-handle.js";

/** What other nodes know of a group's workers of one kind: those that answer, or those that do not. */
export interface Share {
  /** Resolves when they know of it. */
  readonly announced: Promise<void>;
  /** Ends what is heard from them. */
  end(): void;
}

/** The workers of this node that have one pattern, and the tasks that wait for them. */
export class WorkerGroup {
  readonly pattern: string;
  readonly weight: number;
  readonly seats: WorkerHandle[] = [];
  /** First come, first served. */
  readonly waiting = new Set<AssignedTask>();
  /** By whether they answer. */
  readonly shares = new Map<boolean, Share>();
  #turn = 0;

  constructor(pattern: string) {
    this.pattern = pattern;
    this.weight = patternWeight([pattern]);
  }

  /**
   * The worker with most room for it; of several, and for what wants no answer, the one whose turn it is. Undefined where
   * nobody is free.
   */
  pick(wanted: TaskNeeds): WorkerHandle | undefined {
    const { seats } = this;
    let best: WorkerHandle | undefined;
    for (let step = 1; step <= seats.length; step += 1) {
      const seat = seats[(this.#turn + step) % seats.length];
      if (seat === undefined || seat.free <= (best?.free ?? 0) || !seat.suits(wanted)) continue;
      best = seat;
      if (!wanted.request.wantsAnswer) break;
    }
    if (best !== undefined) this.#turn = seats.indexOf(best);
    return best;
  }

  /** Whether a worker could have it now. */
  isFree(wanted: TaskNeeds): boolean {
    return this.seats.some((seat) => seat.free > 0 && seat.suits(wanted));
  }

  /** Whether there is a worker that may have a task, now or later. */
  has(wanted: TaskNeeds): boolean {
    return this.seats.some((seat) => !seat.leaving && seat.suits(wanted));
  }

  /** The task that has waited longest for this worker. */
  nextFor(seat: WorkerHandle): AssignedTask | undefined {
    for (const task of this.waiting) if (seat.suits(task)) return task;
    return undefined;
  }
}
