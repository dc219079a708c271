import type { Clock, EndOfTurn } from "../../core/ports.js";
import type { WorkerConnection, WorkerDescription, WorkerHello, WorkerRegistration } from "../dispatch.js";
import type { TaskBounds } from "../limits.js";
import { Ticker, toTicks } from "../ticker.js";
import type { Check, ExecutorMessage, Offer, OfferId, RefusalReason } from "../wire/task-messages.js";
import type { TaskTransport } from "../wire/task-transport.js";
import { AssignedTask, createTaskId } from "./assigned-task.js";
import { Assignments } from "./assignments.js";
import type { WorkerGroups } from "./worker-groups.js";
import type { TaskNeeds } from "./worker-handle.js";
import { WorkerRegistry } from "./worker-registry.js";

/** Milliseconds past the deadline after which a task ends here, because its calling node should have ended it. */
const GRACE = 1_000;

export interface TaskExecutorOptions {
  readonly node: string;
  readonly transport: TaskTransport;
  readonly groups: WorkerGroups;
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
  /** Bound on the waiting tasks of each vhost. */
  readonly waiting: TaskBounds;
  /** Time within which a worker must acknowledge or end a task, in milliseconds. */
  readonly acknowledgeWithin: number;
  readonly onError: (message: string) => void;
}

/** Executes tasks of all nodes with this node's workers. */
export class TaskExecutor {
  readonly #options: TaskExecutorOptions;
  readonly #assignments: Assignments;
  readonly #registry: WorkerRegistry;
  readonly #ticker: Ticker;
  readonly #patience: number;
  #stopped = false;

  constructor(options: TaskExecutorOptions) {
    this.#options = options;
    this.#assignments = new Assignments(options);
    this.#registry = new WorkerRegistry({ ...options, assignments: this.#assignments });
    this.#patience = toTicks(options.acknowledgeWithin);
    this.#ticker = new Ticker(options.clock, () => this.#check());
  }

  /** Number of workers connected to this node. */
  get workers(): number {
    return this.#registry.size;
  }

  /** Number of tasks of all nodes that wait at this node for a worker. */
  get waiting(): number {
    return this.#assignments.waiting;
  }

  /** Number of tasks of all nodes that this node's workers have. */
  get working(): number {
    return this.#assignments.size - this.#assignments.waiting;
  }

  /** Lists a vhost's workers in the order in which they connected. */
  list(vhost: string, limit: number): WorkerDescription[] {
    return this.#registry.list(vhost, limit);
  }

  /** @throws CarillonError invalid_argument, resource_exhausted, unavailable */
  registerWorker(hello: WorkerHello, connection: WorkerConnection): Promise<WorkerRegistration> {
    return this.#registry.register(hello, connection);
  }

  /** Whether a worker could take a task at once. */
  isFree(vhost: string, pattern: string, needs: TaskNeeds): boolean {
    return this.#options.groups.find(vhost, pattern)?.isFree(needs) === true;
  }

  /** Handles a message from a calling node. */
  receive(from: string, message: ExecutorMessage): void {
    switch (message.type) {
      case "offer":
        this.#takeOffer(from, message);
        break;
      case "cancel":
        this.#cancel(from, message.task, message.offer);
        break;
      case "check":
        this.#reportHeld(from, message);
    }
  }

  /** Withdraws the calls of a lost node. Its triggers continue. */
  onNodeLost(node: string): void {
    const lost = [...this.#assignments.tasks].filter(({ from, request }) => from === node && request.wantsAnswer);
    // Waiting tasks are withdrawn first, so that no worker gets one of them when the others end.
    for (const task of lost) if (task.worker === undefined) this.#assignments.withdraw(task);
    for (const task of lost) if (task.worker !== undefined) this.#assignments.withdraw(task);
  }

  /** Refuses new tasks. Resolves when this node's workers have ended theirs. */
  async drain(): Promise<void> {
    this.#stopped = true;
    this.#registry.drain();
    await this.#assignments.drained();
  }

  /** Returns all tasks to their calling nodes. */
  stop(): void {
    this.#stopped = true;
    this.#registry.stop();
    this.#ticker.stop();
    this.#assignments.stop();
  }

  #takeOffer(from: string, offer: Offer): void {
    const id = createTaskId(from, offer.task);
    const known = this.#assignments.find(id);
    if (known !== undefined) {
      if (known.offerId.offer >= offer.offer) return;
      if (known.parts === 0) {
        // The calling node did not get the report that this node has the task. The task continues under the new offer's number.
        known.offerId = { task: offer.task, offer: offer.offer };
        this.#assignments.reportTaken(known);
        return;
      }
      this.#assignments.withdraw(known);
    }
    const { left, pattern, request } = offer;
    const group = this.#options.groups.find(request.vhost, pattern);
    if (group === undefined || this.#stopped || !group.has(offer)) {
      this.#refuse(from, offer, "gone");
      return;
    }
    const worker = group.pick(offer);
    if (worker === undefined && !offer.mayWait) {
      this.#refuse(from, offer, "busy");
      return;
    }
    const task = new AssignedTask(from, offer, this.#options.clock.monotonic() + left, group);
    if (this.#assignments.add(task, worker)) this.#ticker.wake();
    else this.#refuse(from, offer, "full");
  }

  #refuse(from: string, { offer, task }: OfferId, reason: RefusalReason): void {
    this.#options.transport.send(from, { type: "refused", task, offer, reason });
  }

  #cancel(from: string, number: number, offer: number): void {
    const task = this.#assignments.find(createTaskId(from, number));
    if (task?.offerId.offer === offer) this.#assignments.withdraw(task);
  }

  /** Answers a check: notifies the calling node which of its tasks this node has, and which are lost. */
  #reportHeld(from: string, { tasks }: Check): void {
    const { transport } = this.#options;
    const held: (readonly [number, number, number])[] = [];
    for (const [number, offer] of tasks) {
      const task = this.#assignments.find(createTaskId(from, number));
      if (task?.offerId.offer === offer) held.push([number, offer, task.parts]);
      else transport.send(from, { type: "lost", task: number, offer, worker: "" });
    }
    if (held.length > 0) transport.send(from, { type: "have", tasks: held });
  }

  /**
   * Withdraws tasks that their callers have forgotten, and returns tasks that their workers did not acknowledge in time.
   * @returns whether any tasks are left to check on the next tick
   */
  #check(): boolean {
    const late = this.#options.clock.monotonic() - GRACE;
    for (const task of this.#assignments.tasks) {
      if (task.ends < late) {
        this.#assignments.withdraw(task);
        continue;
      }
      const { worker } = task;
      if (worker === undefined || task.acknowledged) continue;
      task.ticks += 1;
      if (task.ticks < this.#patience) continue;
      worker.silent = true;
      this.#assignments.cancelAt(worker, task);
      this.#assignments.return(task);
    }
    return this.#assignments.size > 0;
  }
}
