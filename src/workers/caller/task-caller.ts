import { CarillonError, type ErrorCode } from "../../errors.js";
import type { Caller, CallHandle, TaskRequest, TaskTracer } from "../dispatch.js";
import { MAX_ATTEMPTS, type TaskBounds, TaskBudget } from "../limits.js";
import { Ticker } from "../ticker.js";
import type { CallerMessage, Have, Part } from "../wire/task-messages.js";
import { CallerReports } from "./caller-reports.js";
import { checkRequest, OutgoingTask } from "./outgoing-task.js";
import { TaskOffers, type TaskOffersOptions } from "./task-offers.js";
import { TaskWatchdog } from "./task-watchdog.js";

export interface TaskCallerOptions extends TaskOffersOptions {
  /** Bound on the tasks of each vhost. */
  readonly requested: TaskBounds;
  /** Undefined if traces are not recorded. */
  readonly tracer?: TaskTracer | undefined;
  readonly onError: (message: string) => void;
}

/**
 * The tasks that were requested at this node. This node owns each of them until it has ended: it finds a worker, follows
 * the task, retries after a failure, and reports the outcome to the caller.
 */
export class TaskCaller {
  readonly #options: TaskCallerOptions;
  readonly #tasks = new Map<number, OutgoingTask>();
  readonly #budget: TaskBudget;
  readonly #offers: TaskOffers;
  readonly #watchdog: TaskWatchdog;
  readonly #ticker: Ticker;
  #count = 0;
  #stopped = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: TaskCallerOptions) {
    this.#options = options;
    this.#budget = new TaskBudget(options.requested);
    this.#offers = new TaskOffers(options, (task, { code, message }) => {
      this.#giveUp(task, code, message);
    });
    this.#watchdog = new TaskWatchdog({
      ...options,
      onUntaken: (task) => {
        if (task.node !== "") task.avoidNode();
        this.#retry(task, "no worker accepted the task in time");
      },
      onUnanswered: (task) => {
        task.avoidNode();
        this.#retry(task, "the node of the assigned worker does not answer");
      },
    });
    this.#ticker = new Ticker(options.clock, () => {
      this.#watchdog.check(this.#tasks.values());
      return this.#tasks.size > 0;
    });
  }

  /** Number of tasks that have not ended. */
  get requested(): number {
    return this.#tasks.size;
  }

  start(request: TaskRequest, caller: Caller): CallHandle {
    this.#count += 1;
    const task = new OutgoingTask(
      this.#options.node,
      this.#count,
      request,
      new CallerReports(caller, this.#options.onError),
      this.#options.tracer?.beginCall(request),
    );
    // Queues a microtask, so that the handle is returned before the caller is notified.
    queueMicrotask(() => {
      this.#begin(task);
    });
    return {
      taskId: task.id,
      cancel: () => {
        if (task.ended) return;
        this.#offers.withdraw(task);
        this.#end(task);
      },
    };
  }

  /** Handles a message from a node that was offered a task. */
  receive(from: string, message: CallerMessage): void {
    if (message.type === "have") {
      this.#noteHeld(from, message);
      return;
    }
    const endsOffer = message.type !== "taken" && !(message.type === "part" && message.more);
    const task = this.#findCurrent(from, message.task, message.offer, endsOffer);
    if (task === undefined) return;
    switch (message.type) {
      case "taken":
        this.#take(task, from);
        if (message.assigned && !task.request.wantsAnswer) task.reports.assigned();
        break;
      case "part":
        this.#take(task, from);
        this.#passOn(task, message);
        break;
      case "failed":
        this.#fail(task, new CarillonError(message.code, message.message));
        break;
      case "refused":
        task.refusals.set(from, message.reason);
        void this.#offers.offer(task);
        break;
      case "lost":
        if (message.worker !== "") task.excludedWorkers.push(message.worker);
        this.#retry(task, "the assigned worker has disconnected, or did not acknowledge the task");
    }
  }

  /** Offers a task to single nodes when its group had no subscriber, because the bus may not know their subscriptions yet. */
  onNoSubscriber(number: number, offer: number): void {
    const task = this.#tasks.get(number);
    if (task === undefined || task.offer !== offer || task.taken) return;
    task.grouped = false;
    void this.#offers.offer(task);
  }

  /** Offers the tasks of an unreachable node to other nodes. */
  onUnreachable(node: string): void {
    for (const task of this.#tasks.values()) {
      if (task.node !== node || task.taken) continue;
      task.refusals.set(node, "gone");
      void this.#offers.offer(task);
    }
  }

  onNodeLost(node: string): void {
    for (const task of this.#tasks.values()) {
      if (task.node === node) this.#retry(task, "the node of the assigned worker has left the cluster");
    }
  }

  /** Refuses new tasks. Resolves when those in progress have ended. */
  async drain(): Promise<void> {
    this.#stopped = true;
    if (this.#tasks.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /** Fails all calls. Triggers that another node has taken continue there, as they do when this node is lost. */
  stop(): void {
    this.#stopped = true;
    for (const task of this.#tasks.values()) {
      if (!task.request.wantsAnswer && task.taken && task.node !== this.#options.node) this.#end(task);
      else this.#giveUp(task, "unavailable", "this node is stopping");
    }
    this.#ticker.stop();
  }

  #begin(task: OutgoingTask): void {
    if (task.ended) return;
    const { clock } = this.#options;
    const { request } = task;
    const now = clock.now();
    task.ends = clock.monotonic() + (request.deadline - now);
    const refusal = this.#checkAdmission(task, now);
    if (refusal !== undefined) {
      this.#fail(task, refusal);
      return;
    }
    this.#tasks.set(task.number, task);
    task.cancelDeadline = clock.after(this.#offers.timeLeft(task), () => {
      this.#giveUp(task, "deadline_exceeded", "not answered in time");
    });
    this.#ticker.wake();
    void this.#offers.offer(task);
  }

  /** Charges the task to the vhost's budget. @returns the error when the task is refused */
  #checkAdmission({ bytes, request }: OutgoingTask, now: number): CarillonError | undefined {
    if (this.#stopped) return new CarillonError("unavailable", "this node is stopping");
    const error = checkRequest(request, now);
    if (error !== undefined || this.#budget.take(request.vhost, bytes)) return error;
    const text = "too many pending tasks of this vhost on this node: try again later";
    return new CarillonError("resource_exhausted", text);
  }

  #noteHeld(from: string, { tasks }: Have): void {
    for (const [number, offer, parts] of tasks) {
      const task = this.#findCurrent(from, number, offer, false);
      if (task === undefined) continue;
      this.#take(task, from);
      // Parts arrive before this message, unless they were lost.
      if (parts > task.parts) this.#giveUp(task, "unavailable", "a part of the answer was lost in transit");
    }
  }

  /** Finds the task if this is its current offer. Otherwise cancels the offer at the node, unless the message ends it. */
  #findCurrent(from: string, number: number, offer: number, endsOffer: boolean): OutgoingTask | undefined {
    const task = this.#tasks.get(number);
    if (task !== undefined && task.offer === offer && (task.node === "" || task.node === from)) {
      task.ticks = 0;
      task.checks = 0;
      return task;
    }
    if (!endsOffer) this.#options.transport.send(from, { type: "cancel", task: number, offer });
    return undefined;
  }

  #take(task: OutgoingTask, from: string): void {
    task.node = from;
    task.taken = true;
    task.reports.taken();
  }

  #passOn(task: OutgoingTask, { more, payload, position }: Part): void {
    if (position !== task.parts) {
      this.#giveUp(task, "unavailable", "a part of the answer was lost in transit");
      return;
    }
    task.parts += 1;
    if (!more) this.#end(task);
    task.reports.part(payload, more);
  }

  /** Offers the task again after the current offer has failed. */
  #retry(task: OutgoingTask, why: string): void {
    if (task.parts > 0) {
      this.#giveUp(task, "unavailable", `${why}, after part of the answer was sent`);
    } else if (task.attempt >= MAX_ATTEMPTS) {
      this.#giveUp(task, "unavailable", `tried ${MAX_ATTEMPTS} times: ${why}`);
    } else {
      task.beginAttempt();
      void this.#offers.offer(task);
    }
  }

  #giveUp(task: OutgoingTask, code: ErrorCode, text: string): void {
    this.#offers.withdraw(task);
    this.#fail(task, new CarillonError(code, text));
  }

  #fail(task: OutgoingTask, error: CarillonError): void {
    this.#end(task, error);
    task.reports.failed(error);
  }

  #end(task: OutgoingTask, cause?: CarillonError): void {
    if (!task.ended) task.span?.end(cause);
    task.ended = true;
    task.cancelDeadline?.();
    if (!this.#tasks.delete(task.number)) return;
    this.#budget.giveBack(task.request.vhost, task.bytes);
    if (this.#tasks.size === 0) this.#onEmpty?.();
  }
}
