import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { errorText } from "../../util/native-error.js";
import type { TaskTracer } from "../dispatch.js";
import { type TaskBounds, TaskBudget } from "../limits.js";
import type { TaskTransport } from "../wire/task-transport.js";
import type { AssignedTask } from "./assigned-task.js";
import type { WorkerGroups } from "./worker-groups.js";
import type { WorkerHandle } from "./worker-handle.js";

/**
 * Delay before a calling node is notified that its task was taken, in milliseconds. Most tasks are answered earlier, and the
 * answer implies it.
 */
const REPORT_AFTER = 20;

export interface AssignmentsOptions {
  readonly transport: TaskTransport;
  readonly groups: WorkerGroups;
  readonly clock: Clock;
  /** Bound on the waiting tasks of each vhost. */
  readonly waiting: TaskBounds;
  /** Undefined if traces are not recorded. */
  readonly tracer?: TaskTracer | undefined;
  readonly onError: (message: string) => void;
}

/** The tasks that this node's workers have, and the tasks that wait at this node for a worker. */
export class Assignments {
  readonly #options: AssignmentsOptions;
  readonly #tasks = new Map<string, AssignedTask>();
  readonly #waiting: TaskBudget;
  #unreported: AssignedTask[] = [];
  #cancelReport: (() => void) | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: AssignmentsOptions) {
    this.#options = options;
    this.#waiting = new TaskBudget(options.waiting);
  }

  get size(): number {
    return this.#tasks.size;
  }

  /** Number of tasks that wait for a worker. */
  get waiting(): number {
    return this.#waiting.count;
  }

  get tasks(): Iterable<AssignedTask> {
    return this.#tasks.values();
  }

  find(id: string): AssignedTask | undefined {
    return this.#tasks.get(id);
  }

  /**
   * Assigns a task to the worker, or queues it when the worker is undefined.
   * @returns false, and nothing has changed, when too many tasks of the vhost are waiting
   */
  add(task: AssignedTask, worker: WorkerHandle | undefined): boolean {
    if (worker === undefined && !this.#waiting.take(task.request.vhost, task.bytes)) return false;
    this.#tasks.set(task.id, task);
    if (worker === undefined) task.group.waiting.add(task);
    else this.#assign(task, worker);
    this.#reportLater(task);
    return true;
  }

  /** Assigns waiting tasks to a worker, oldest first, up to its capacity. */
  assignWaiting(worker: WorkerHandle): void {
    while (worker.free > 0 && this.#waiting.count > 0) {
      const task = this.#findNext(worker);
      if (task === undefined) return;
      this.#dequeue(task);
      // The caller has already given up an expired task.
      if (task.ends <= this.#options.clock.monotonic()) {
        this.end(task);
        continue;
      }
      this.#assign(task, worker);
      if (!task.request.wantsAnswer && this.#tasks.get(task.id) === task) this.reportTaken(task);
    }
  }

  /** Removes a task that has ended, or that was cancelled. @param cause - reason of a failure */
  end(task: AssignedTask, cause?: CarillonError): void {
    if (!this.#tasks.delete(task.id)) return;
    task.span?.end(cause);
    this.#dequeue(task);
    const { worker } = task;
    if (worker !== undefined) {
      worker.tasks.delete(task.id);
      this.assignWaiting(worker);
    }
    if (this.#tasks.size === 0) this.#onEmpty?.();
  }

  /** Ends a task whose caller no longer waits, and notifies its worker. */
  withdraw(task: AssignedTask): void {
    if (task.worker !== undefined) this.cancelAt(task.worker, task);
    this.end(task);
  }

  /** Returns a task to the calling node, because its worker is gone or silent. */
  return(task: AssignedTask): void {
    // The worker may have left during the call that cancelled the task.
    if (this.#tasks.get(task.id) !== task) return;
    this.#options.transport.send(task.from, { type: "lost", ...task.offerId, worker: task.worker?.id ?? "" });
    this.end(task, new CarillonError("unavailable", "the worker has disconnected, or did not acknowledge the task"));
  }

  cancelAt(worker: WorkerHandle, { id }: AssignedTask): void {
    this.#guard(worker, () => {
      worker.connection.cancel(id);
    });
  }

  /** Notifies the calling node that this node has the task. */
  reportTaken(task: AssignedTask): void {
    task.reported = true;
    this.#options.transport.send(task.from, { type: "taken", ...task.offerId, assigned: task.worker !== undefined });
  }

  /** Resolves when no task is left. */
  async drained(): Promise<void> {
    if (this.#tasks.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  stop(): void {
    this.#cancelReport?.();
  }

  /** Reports triggers at once, because their callers wait only for this. Delays it for calls, whose answer may come first. */
  #reportLater(task: AssignedTask): void {
    if (!task.request.wantsAnswer) {
      this.reportTaken(task);
      return;
    }
    this.#unreported.push(task);
    this.#cancelReport ??= this.#options.clock.after(REPORT_AFTER, () => {
      this.#cancelReport = undefined;
      const unreported = this.#unreported;
      this.#unreported = [];
      for (const each of unreported) {
        if (!each.reported && this.#tasks.get(each.id) === each) this.reportTaken(each);
      }
    });
  }

  #assign(task: AssignedTask, worker: WorkerHandle): void {
    const { clock, tracer } = this.#options;
    const { attempt, id, payload, request } = task;
    const deadline = clock.now() + (task.ends - clock.monotonic());
    task.worker = worker;
    if (tracer !== undefined && request.trace !== undefined) {
      task.span = tracer.beginTask(request.event, request.vhost, request.trace);
    }
    // Drops this node's copy of the payload, because the calling node keeps it for further attempts.
    task.payload = EMPTY;
    worker.tasks.set(id, task);
    this.#guard(worker, () => {
      worker.connection.assign({
        ...request,
        id,
        attempt,
        deadline,
        payload,
        trace: task.span?.trace ?? request.trace,
      });
    });
  }

  #findNext(worker: WorkerHandle): AssignedTask | undefined {
    let next: AssignedTask | undefined;
    for (const group of this.#options.groups.of(worker)) {
      const task = group.nextFor(worker);
      if (task !== undefined && (next === undefined || task.order < next.order)) next = task;
    }
    return next;
  }

  #dequeue(task: AssignedTask): void {
    if (task.group.waiting.delete(task)) this.#waiting.giveBack(task.request.vhost, task.bytes);
  }

  #guard(worker: WorkerHandle, run: () => void): void {
    try {
      run();
    } catch (cause) {
      this.#options.onError(`notifying worker ${worker.id} failed: ${errorText(cause)}`);
    }
  }
}

const EMPTY = new Uint8Array();
