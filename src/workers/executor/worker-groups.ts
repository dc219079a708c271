import { patternWeight } from "../../access/patterns/pattern.js";
import { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import type { Announcements } from "../directory/announcements.js";
import type { WorkerPattern } from "../directory/directory.js";
import { MAX_PATTERNS_OF_VHOST, MAX_WEIGHT_OF_VHOST, MAX_WORKER_PATTERNS } from "../limits.js";
import type { TaskTransport } from "../wire/task-transport.js";
import { WorkerGroup } from "./worker-group.js";
import type { WorkerHandle } from "./worker-handle.js";

/** This node's workers, grouped by pattern. Announces the groups to other nodes. */
export class WorkerGroups {
  readonly #transport: TaskTransport;
  readonly #announcements: Announcements;
  readonly #groups = new Map<string, Map<string, WorkerGroup>>();
  #count = 0;

  constructor(transport: TaskTransport, announcements: Announcements) {
    this.#transport = transport;
    this.#announcements = announcements;
  }

  find(vhost: string, pattern: string): WorkerGroup | undefined {
    return this.#groups.get(vhost)?.get(pattern);
  }

  /** Yields the groups of a worker. */
  *of({ hello: { events, vhost } }: WorkerHandle): Generator<WorkerGroup> {
    const groups = this.#groups.get(vhost);
    if (groups === undefined) return;
    for (const pattern of events) {
      const group = groups.get(pattern);
      if (group !== undefined) yield group;
    }
  }

  /**
   * Adds a worker to its groups at once. Resolves when all nodes that answer know about the groups.
   * @throws CarillonError resource_exhausted
   */
  async add(worker: WorkerHandle): Promise<void> {
    const { events, vhost } = worker.hello;
    const groups = this.#groups.get(vhost) ?? new Map<string, WorkerGroup>();
    const fresh = events.filter((pattern) => !groups.has(pattern));
    this.#checkLimits(groups, fresh);
    this.#count += fresh.length;
    this.#groups.set(vhost, groups);
    for (const pattern of fresh) groups.set(pattern, new WorkerGroup(pattern));
    for (const group of this.of(worker)) group.workers.push(worker);
    this.#share(worker);
    // Another worker may have created a group whose announcement is still in flight.
    await Promise.all(Array.from(this.of(worker), async (group) => group.shares.get(worker.answers)?.announced));
  }

  /**
   * Removes a worker from its groups, so that it gets no more tasks. Removes a group that has no workers left.
   * @returns the worker's groups
   */
  remove(worker: WorkerHandle): readonly WorkerGroup[] {
    const left = [...this.of(worker)].filter(({ workers }) => workers.includes(worker));
    const unshared: WorkerPattern[] = [];
    for (const group of left) {
      const { shares, workers } = group;
      workers.splice(workers.indexOf(worker), 1);
      if (workers.some(({ answers }) => answers === worker.answers)) continue;
      shares.get(worker.answers)?.end();
      shares.delete(worker.answers);
      unshared.push(toWorkerPattern(worker, group));
      if (workers.length === 0) this.#end(worker.hello.vhost, group);
    }
    this.#announcements.remove(unshared);
    return left;
  }

  /** @throws CarillonError resource_exhausted */
  #checkLimits(groups: ReadonlyMap<string, WorkerGroup>, fresh: readonly string[]): void {
    if (this.#count + fresh.length > MAX_WORKER_PATTERNS) {
      throw exhausted(`the workers of this node already have ${MAX_WORKER_PATTERNS} patterns`);
    }
    if (groups.size + fresh.length > MAX_PATTERNS_OF_VHOST) {
      throw exhausted(`the vhost's workers on this node would have more than ${MAX_PATTERNS_OF_VHOST} patterns`);
    }
    let weight = patternWeight(fresh);
    for (const group of groups.values()) weight += group.weight;
    if (weight > MAX_WEIGHT_OF_VHOST) {
      throw exhausted(
        `the patterns of the vhost's workers on this node would exceed a weight of ${MAX_WEIGHT_OF_VHOST}`,
      );
    }
  }

  /** Announces the groups in which the worker is the first of its kind. */
  #share(worker: WorkerHandle): void {
    const { answers } = worker;
    const unshared = [...this.of(worker)].filter(({ shares }) => !shares.has(answers));
    const workerPatterns = unshared.map((group) => toWorkerPattern(worker, group));
    // Offers to a group may need an answer, so only workers that answer join the queue group.
    const ends = workerPatterns.map((workerPattern) => (answers ? this.#transport.join(workerPattern) : ignore));
    const announced = this.#announce(workerPatterns);
    for (const [position, { shares }] of unshared.entries()) {
      shares.set(answers, { announced, end: ends[position] ?? ignore });
    }
  }

  async #announce(workerPatterns: readonly WorkerPattern[]): Promise<void> {
    if (workerPatterns.length > 0)
      await Promise.all([this.#transport.confirm(), this.#announcements.add(workerPatterns)]);
  }

  #end(vhost: string, { pattern }: WorkerGroup): void {
    const groups = this.#groups.get(vhost);
    groups?.delete(pattern);
    if (groups?.size === 0) this.#groups.delete(vhost);
    this.#count -= 1;
  }
}

function toWorkerPattern({ answers, hello: { vhost } }: WorkerHandle, { pattern }: WorkerGroup): WorkerPattern {
  return answers ? [vhost, pattern] : [vhost, pattern, "triggers"];
}

function exhausted(text: string): CarillonError {
  return new CarillonError("resource_exhausted", text);
}
