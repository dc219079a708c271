import { matchAhead } from "../../access/patterns/match-ahead.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { DirectoryEntry, WorkerDirectory } from "../directory/directory.js";
import type { TaskNeeds } from "../executor/worker-handle.js";
import { MAX_TIMER } from "../limits.js";
import type { TaskTransport } from "../wire/task-transport.js";
import type { OutgoingTask } from "./outgoing-task.js";
import { chooseRoute } from "./route.js";

export interface TaskOffersOptions {
  readonly node: string;
  readonly transport: TaskTransport;
  readonly directory: WorkerDirectory;
  readonly clock: Clock;
  /** Whether a worker of this node could take a task at once. */
  readonly isFree: (vhost: string, pattern: string, needs: TaskNeeds) => boolean;
}

/** Offers tasks to nodes: chooses the pattern, the node, and the order of attempts. */
export class TaskOffers {
  readonly #options: TaskOffersOptions;
  readonly #onFailed: (task: OutgoingTask, error: CarillonError) => void;

  /** @param onFailed - called when no node is left to ask */
  constructor(options: TaskOffersOptions, onFailed: (task: OutgoingTask, error: CarillonError) => void) {
    this.#options = options;
    this.#onFailed = onFailed;
  }

  /**
   * Offers the task to the workers of the most specific pattern that has any. Matching the patterns may take several turns
   * (rule A15), in which no node has the task. Never rejects.
   */
  async offer(task: OutgoingTask): Promise<void> {
    const { event, vhost, wantsAnswer } = task.request;
    try {
      const ahead = matchAhead(vhost, () => this.#options.directory.matchesOf(vhost, event, wantsAnswer));
      if (ahead !== undefined) {
        task.beginSearch();
        await ahead;
        task.searching = false;
      }
    } catch (cause) {
      if (!task.ended) this.#onFailed(task, CarillonError.from(cause));
      return;
    }
    if (!task.ended) this.#offerToFirst(task);
  }

  /** Notifies the node that has the task, or may take it, that the task is cancelled. */
  withdraw(task: OutgoingTask): void {
    const { node, number, offer } = task;
    this.#cancelAbandonedOffer(task, node);
    if (node !== "") this.#options.transport.send(node, { type: "cancel", task: number, offer });
  }

  /** Milliseconds until the deadline, at most the longest delay of a timer. */
  timeLeft({ ends }: OutgoingTask): number {
    return Math.min(Math.max(0, ends - this.#options.clock.monotonic()), MAX_TIMER);
  }

  #offerToFirst(task: OutgoingTask): void {
    const { directory } = this.#options;
    const { event, vhost, wantsAnswer } = task.request;
    for (const entry of directory.find(vhost, event, wantsAnswer)) {
      if (task.exhausted.has(entry.pattern)) continue;
      const outcome = this.#offerTo(entry, task);
      if (outcome === "offered") return;
      if (outcome === "full") {
        const text = `all workers for event ${JSON.stringify(event)} are overloaded`;
        this.#onFailed(task, new CarillonError("resource_exhausted", text));
        return;
      }
      task.exhausted.add(entry.pattern);
    }
    const text = `no ${this.#describeWorker(task)} handles event ${JSON.stringify(event)}`;
    this.#onFailed(task, new CarillonError("unavailable", text));
  }

  #describeWorker({ excludedWorkers }: OutgoingTask): string {
    const reachable = this.#options.transport.up ? "" : "reachable ";
    return `${excludedWorkers.length > 0 ? "other " : ""}${reachable}worker`;
  }

  #offerTo(entry: DirectoryEntry, task: OutgoingTask): "offered" | "full" | "gone" {
    const { nodes, pattern } = entry;
    const { isFree, node: self, transport } = this.#options;
    const { avoided, refusals, request } = task;
    if (task.pattern !== pattern) {
      task.pattern = pattern;
      refusals.clear();
      task.rotation = undefined;
    }
    if (!request.wantsAnswer) task.rotation ??= entry.rotate();
    const { rotation } = task;
    const selfIsFree = nodes.has(self) && isFree(request.vhost, pattern, task);
    const grouped = task.grouped && entry.grouped;
    const route = chooseRoute({ nodes, self, up: transport.up, selfIsFree, refusals, avoided, grouped, rotation });
    if (route.to === "none") return route.reason;
    task.beginOffer(route.to === "node" ? route.node : "");
    this.#cancelAbandonedOffer(task, task.node);
    const offer = task.toOffer(this.timeLeft(task), route.to === "node" && route.mayWait);
    if (route.to === "node") {
      transport.send(route.node, offer);
      return "offered";
    }
    if (transport.offer([request.vhost, pattern], offer)) return "offered";
    task.grouped = false;
    return this.#offerTo(entry, task);
  }

  /** Cancels the abandoned offer, unless the task is now offered to the same node. */
  #cancelAbandonedOffer(task: OutgoingTask, node: string): void {
    const { abandonedOffer, number } = task;
    task.abandonedOffer = undefined;
    if (abandonedOffer === undefined || abandonedOffer.node === node) return;
    this.#options.transport.send(abandonedOffer.node, { type: "cancel", task: number, offer: abandonedOffer.offer });
  }
}
