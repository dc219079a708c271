import { types } from "node:util";
import { matchAhead } from "../../access/patterns/match-ahead.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError, type ErrorCode } from "../../errors.js";
import type { DirectoryEntry, WorkerDirectory } from "../directory/directory.js";
import type { Caller, CallHandle, TaskRequest } from "../dispatch.js";
import type { TaskNeeds } from "../executor/worker-handle.js";
import { type Amount, Budget, LONGEST_TIMER, MAX_ATTEMPTS } from "../limits.js";
import { Ticker } from "../ticker.js";
import {
  type Failed,
  type Have,
  type Lost,
  type Part,
  type Refused,
  readTaskError,
  type Taken,
} from "../wire/task-messages.js";
import type { TaskTransport } from "../wire/task-transport.js";
import { checkCallAdmission } from "./call-admission.js";
import { OutgoingTask } from "./outgoing-task.js";
import { chooseRoute } from "./route.js";
import { TaskWatchdog } from "./task-watchdog.js";

export interface TaskCallerOptions {
  readonly node: string;
  readonly post: TaskTransport;
  readonly directory: WorkerDirectory;
  readonly clock: Clock;
  /** For each vhost. */
  readonly asked: Amount;
  /** Whether a worker of this node could have a task at once. */
  readonly isFree: (vhost: string, pattern: string, wanted: TaskNeeds) => boolean;
  readonly onError: (message: string) => void;
}

/**
 * The tasks that were asked at this node. Each is this node's to look after until it has ended: it finds somebody, hears
 * what comes of it, tries again when that was in vain, and tells the asker at last.
 */
export class TaskCaller {
  readonly #options: TaskCallerOptions;
  readonly #tasks = new Map<number, OutgoingTask>();
  readonly #budget: Budget;
  readonly #silence: TaskWatchdog;
  readonly #ticker: Ticker;
  #count = 0;
  #stopped = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: TaskCallerOptions) {
    this.#options = options;
    this.#budget = new Budget(options.asked);
    const { clock, node, post } = options;
    this.#silence = new TaskWatchdog({
      node,
      post,
      onUntaken: (task) => {
        if (task.node !== "") this.#shun(task);
        this.#retry(task, "nobody took it in time");
      },
      onUnanswered: (task) => {
        this.#shun(task);
        this.#retry(task, "the node whose worker had it does not answer");
      },
    });
    this.#ticker = new Ticker(clock, () => {
      this.#silence.look(this.#tasks.values());
      return this.#tasks.size > 0;
    });
  }

  /** Tasks that have not ended. */
  get asked(): number {
    return this.#tasks.size;
  }

  ask(request: TaskRequest, asker: Caller): CallHandle {
    this.#count += 1;
    const task = new OutgoingTask(this.#options.node, this.#count, request, asker);
    // Later, so that the caller has its answer before the asker is told anything.
    queueMicrotask(() => {
      this.#begin(task);
    });
    return {
      taskId: task.id,
      cancel: () => {
        this.#cancel(task);
      },
    };
  }

  onTaken(from: string, { given, offer, task: number }: Taken): void {
    const task = this.#current(from, number, offer);
    if (task === undefined) return;
    this.#take(task, from);
    if (!given || task.given || task.request.wantsAnswer) return;
    task.given = true;
    this.#guard(() => {
      task.asker.onGiven?.();
    });
  }

  onPart(from: string, { more, offer, payload, position, task: number }: Part): void {
    const task = this.#current(from, number, offer, !more);
    if (task === undefined) return;
    this.#take(task, from);
    if (position !== task.parts) {
      this.#giveUp(task, "unavailable", "a part of the answer was lost on its way");
      return;
    }
    task.parts += 1;
    if (!more) this.#end(task);
    this.#guard(() => {
      task.asker.onPart(payload, more);
    });
  }

  onFailed(from: string, word: Failed): void {
    const task = this.#current(from, word.task, word.offer, true);
    if (task !== undefined) this.#fail(task, readTaskError(word));
  }

  onRefused(from: string, { offer, task: number, why }: Refused): void {
    const task = this.#current(from, number, offer, true);
    if (task === undefined) return;
    task.said.set(from, why);
    void this.#offer(task);
  }

  onLost(from: string, { offer, task: number, worker }: Lost): void {
    const task = this.#current(from, number, offer, true);
    if (task === undefined) return;
    if (worker !== "") task.not.push(worker);
    this.#retry(task, "the worker that had it is gone, or did not acknowledge it");
  }

  onHave(from: string, { tasks }: Have): void {
    for (const [number, offer, parts] of tasks) {
      const task = this.#current(from, number, offer);
      if (task === undefined) continue;
      this.#take(task, from);
      // Parts come before this word, unless they were lost.
      if (parts > task.parts) this.#giveUp(task, "unavailable", "a part of the answer was lost on its way");
    }
  }

  /** Nobody listens to the pattern's group. The nodes that should are asked one by one: the bus may not know them yet. */
  onUnheard(number: number, offer: number): void {
    const task = this.#tasks.get(number);
    if (task === undefined || task.offer !== offer || task.taken) return;
    task.grouped = false;
    void this.#offer(task);
  }

  /** Nobody is there of that name. */
  onUnreachable(node: string): void {
    for (const task of this.#tasks.values()) {
      if (task.node !== node || task.taken) continue;
      task.said.set(node, "gone");
      void this.#offer(task);
    }
  }

  onNodeLost(node: string): void {
    for (const task of this.#tasks.values()) {
      if (task.node === node) this.#retry(task, "the node whose worker had it is gone");
    }
  }

  /** No new tasks. Resolves when those that are under way have ended. */
  async drain(): Promise<void> {
    this.#stopped = true;
    if (this.#tasks.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /** All askers are told. What nobody waits for goes on at the other nodes that have it, as when this node is lost. */
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
    const { request } = task;
    const stopped = this.#stopped ? new CarillonError("unavailable", "this node is stopping") : undefined;
    const { clock } = this.#options;
    const now = clock.now();
    task.ends = clock.monotonic() + (request.deadline - now);
    const refusal = stopped ?? checkCallAdmission(request, now);
    if (refusal !== undefined) {
      this.#refuse(task, refusal);
      return;
    }
    if (!this.#budget.take(request.vhost, task.bytes)) {
      const text = "too many tasks of this vhost are under way at this node: try again later";
      this.#refuse(task, new CarillonError("resource_exhausted", text));
      return;
    }
    this.#tasks.set(task.number, task);
    task.cancelDeadline = clock.after(this.#leftOf(task), () => {
      this.#giveUp(task, "deadline_exceeded", "no answer came in time");
    });
    this.#ticker.wake();
    void this.#offer(task);
  }

  /**
   * Offers the task to the workers of the most specific pattern that has any. Matching the patterns may take several turns
   * (rule A15), in which no node has the task. Never rejects.
   */
  async #offer(task: OutgoingTask): Promise<void> {
    const { event, vhost, wantsAnswer } = task.request;
    try {
      const ahead = matchAhead(vhost, () => this.#options.directory.matchesOf(vhost, event, wantsAnswer));
      if (ahead !== undefined) {
        task.search();
        await ahead;
        task.searching = false;
      }
    } catch (cause) {
      const { code, message } = CarillonError.from(cause);
      if (!task.ended) this.#giveUp(task, code, message);
      return;
    }
    if (!task.ended) this.#offerToFirst(task);
  }

  #leftOf({ ends }: OutgoingTask): number {
    return Math.min(Math.max(0, ends - this.#options.clock.monotonic()), LONGEST_TIMER);
  }

  /** Of something that was never begun. */
  #refuse(task: OutgoingTask, refusal: CarillonError): void {
    task.ended = true;
    this.#guard(() => {
      task.asker.onFailed(refusal);
    });
  }

  #offerToFirst(task: OutgoingTask): void {
    const { directory } = this.#options;
    const { event, vhost, wantsAnswer } = task.request;
    let full = false;
    for (const entry of directory.find(vhost, event, wantsAnswer)) {
      if (task.spent.has(entry.pattern)) continue;
      const outcome = this.#offerTo(entry, task);
      if (outcome === "offered") return;
      full ||= outcome === "full";
      if (full) break;
      task.spent.add(entry.pattern);
    }
    const shown = JSON.stringify(event);
    if (full) this.#giveUp(task, "resource_exhausted", `the workers of event ${shown} have too much to do`);
    else this.#giveUp(task, "unavailable", `no ${this.#kindOfWorker(task)} takes event ${shown}`);
  }

  #kindOfWorker({ not }: OutgoingTask): string {
    const reachable = this.#options.post.up ? "" : " that can be reached";
    return `${not.length > 0 ? "other " : ""}worker${reachable}`;
  }

  #offerTo(entry: DirectoryEntry, task: OutgoingTask): "offered" | "full" | "gone" {
    const { nodes, pattern } = entry;
    const { isFree, node: self, post } = this.#options;
    const { request, shunned } = task;
    if (task.pattern !== pattern) {
      task.pattern = pattern;
      task.said.clear();
      task.turn = undefined;
    }
    if (!request.wantsAnswer) task.turn ??= entry.turn();
    const selfIsFree = nodes.has(self) && isFree(request.vhost, pattern, task);
    const { said } = task;
    const grouped = task.grouped && entry.grouped;
    const route = chooseRoute({ nodes, self, up: post.up, selfIsFree, said, shunned, grouped, turn: task.turn });
    if (route.to === "nobody") return route.why;
    task.offer += 1;
    task.taken = false;
    task.ticks = 0;
    task.checks = 0;
    task.node = route.to === "node" ? route.node : "";
    this.#endDoubt(task, task.node);
    const offer = task.toOffer(this.#leftOf(task), route.to === "node" && route.mayWait);
    if (route.to === "node") {
      post.send(route.node, offer);
      return "offered";
    }
    if (post.offer([request.vhost, pattern], offer)) return "offered";
    task.grouped = false;
    return this.#offerTo(entry, task);
  }

  /** What is said of an offer that has been given up, or of a task that has ended, is answered so that it ends there. */
  #current(from: string, number: number, offer: number, isEnd = false): OutgoingTask | undefined {
    const task = this.#tasks.get(number);
    if (task !== undefined && task.offer === offer && (task.node === "" || task.node === from)) {
      task.ticks = 0;
      task.checks = 0;
      return task;
    }
    if (!isEnd) this.#options.post.send(from, { type: "cancel", task: number, offer });
    return undefined;
  }

  #take(task: OutgoingTask, from: string): void {
    task.node = from;
    task.taken = true;
    if (task.told) return;
    task.told = true;
    this.#guard(() => {
      task.asker.onTaken?.();
    });
  }

  /** The offer under way came to nothing. */
  #retry(task: OutgoingTask, why: string): void {
    if (task.parts > 0) {
      this.#giveUp(task, "unavailable", `${why}, after a part of the answer`);
      return;
    }
    if (task.attempt >= MAX_ATTEMPTS) {
      this.#giveUp(task, "unavailable", `tried ${MAX_ATTEMPTS} times: ${why}`);
      return;
    }
    task.attempt += 1;
    task.grouped = false;
    task.turn = undefined;
    task.said.clear();
    task.spent.clear();
    void this.#offer(task);
  }

  #cancel(task: OutgoingTask): void {
    if (task.ended) return;
    this.#withdraw(task);
    this.#end(task);
  }

  #giveUp(task: OutgoingTask, code: ErrorCode, text: string): void {
    this.#withdraw(task);
    this.#fail(task, new CarillonError(code, text));
  }

  /** Who has it, or may be about to take it, is told; whoever is not known yet is when it takes it. */
  #withdraw(task: OutgoingTask): void {
    const { node, number, offer } = task;
    this.#endDoubt(task, node);
    if (node !== "") this.#options.post.send(node, { type: "cancel", task: number, offer });
  }

  #endDoubt(task: OutgoingTask, node: string): void {
    const { doubtful, number } = task;
    task.doubtful = undefined;
    if (doubtful === undefined || doubtful.node === node) return;
    this.#options.post.send(doubtful.node, { type: "cancel", task: number, offer: doubtful.offer });
  }

  #fail(task: OutgoingTask, error: CarillonError): void {
    this.#end(task);
    this.#guard(() => {
      task.asker.onFailed(error);
    });
  }

  #end(task: OutgoingTask): void {
    task.ended = true;
    task.cancelDeadline?.();
    if (!this.#tasks.delete(task.number)) return;
    this.#budget.giveBack(task.request.vhost, task.bytes);
    if (this.#tasks.size === 0) this.#onEmpty?.();
  }

  /** Others are asked first from now on. */
  #shun(task: OutgoingTask): void {
    const { node, offer } = task;
    task.shunned.add(node);
    task.doubtful = { node, offer };
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (fault) {
      const reason = types.isNativeError(fault) ? fault.message : String(fault);
      this.#options.onError(`telling who asked for a task failed: ${reason}`);
    }
  }
}
