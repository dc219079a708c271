import { patternWeight } from "../../access/patterns/pattern.js";
import type { AssignedTask } from "./assigned-task.js";
import type { TaskNeeds, WorkerHandle } from "./worker-handle.js";

/** Announcement of a group's workers of one kind, either those that answer or those that do not. */
export interface GroupAnnouncement {
  /** Resolves when the other nodes know about the workers. */
  readonly announced: Promise<void>;
  /** Stops listening for offers to them. */
  end(): void;
}

/** The workers of this node with one pattern, and the tasks that wait for them. */
export class WorkerGroup {
  readonly pattern: string;
  readonly weight: number;
  readonly workers: WorkerHandle[] = [];
  /** Waiting tasks, in order of arrival. */
  readonly waiting = new Set<AssignedTask>();
  /** Announcements, keyed by whether the workers answer. */
  readonly shares = new Map<boolean, GroupAnnouncement>();
  #turn = 0;

  constructor(pattern: string) {
    this.pattern = pattern;
    this.weight = patternWeight([pattern]);
  }

  /**
   * Picks the worker with the most free capacity for a call, and the next free worker for a trigger. Equal workers take turns.
   * @returns undefined when no worker is free
   */
  pick(needs: TaskNeeds): WorkerHandle | undefined {
    const { workers } = this;
    let best: WorkerHandle | undefined;
    for (let step = 1; step <= workers.length; step += 1) {
      const worker = workers[(this.#turn + step) % workers.length];
      if (worker === undefined || worker.free <= (best?.free ?? 0) || !worker.suits(needs)) continue;
      best = worker;
      if (!needs.request.wantsAnswer) break;
    }
    if (best !== undefined) this.#turn = workers.indexOf(best);
    return best;
  }

  /** Whether a worker could take the task now. */
  isFree(needs: TaskNeeds): boolean {
    return this.workers.some((worker) => worker.free > 0 && worker.suits(needs));
  }

  /** Whether a worker may take the task, now or later. */
  has(needs: TaskNeeds): boolean {
    return this.workers.some((worker) => !worker.draining && worker.suits(needs));
  }

  /** Returns the task that has waited longest among those that the worker may take. */
  nextFor(worker: WorkerHandle): AssignedTask | undefined {
    for (const task of this.waiting) if (worker.suits(task)) return task;
    return undefined;
  }
}
