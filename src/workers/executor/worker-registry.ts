import { MAX_TOTAL_WEIGHT, weightProblem } from "../../access/patterns/match-steps.js";
import { patternWeight } from "../../access/patterns/pattern.js";
import type { EndOfTurn } from "../../core/ports.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import type { WorkerConnection, WorkerDescription, WorkerHello, WorkerRegistration } from "../dispatch.js";
import { MAX_CAPACITY, MAX_EVENTS, MAX_NAME_LENGTH, MAX_PAYLOAD_BYTES } from "../limits.js";
import type { TaskTransport } from "../wire/task-transport.js";
import type { Assignments } from "./assignments.js";
import type { WorkerGroup } from "./worker-group.js";
import type { WorkerGroups } from "./worker-groups.js";
import { WorkerHandle } from "./worker-handle.js";

export interface WorkerRegistryOptions {
  readonly node: string;
  readonly transport: TaskTransport;
  readonly groups: WorkerGroups;
  readonly assignments: Assignments;
  readonly endOfTurn: EndOfTurn;
}

/** Registers the workers that are connected to this node, and handles their reports about tasks. */
export class WorkerRegistry {
  readonly #options: WorkerRegistryOptions;
  readonly #workers = new Map<string, WorkerHandle>();
  #registered = 0;
  #stopped = false;

  constructor(options: WorkerRegistryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#workers.size;
  }

  /**
   * Lists a vhost's workers in the order in which they connected.
   * @param limit - maximum number of listed workers
   */
  list(vhost: string, limit: number): WorkerDescription[] {
    const { node } = this.#options;
    const found: WorkerDescription[] = [];
    for (const { answers, hello, id, tasks } of this.#workers.values()) {
      if (hello.vhost !== vhost) continue;
      if (found.length === limit) break;
      const { capacity, events, name } = hello;
      found.push({ id, node, name, events, capacity, answers, tasks: tasks.size });
    }
    return found;
  }

  /** @throws CarillonError invalid_argument, resource_exhausted, unavailable */
  async register(hello: WorkerHello, connection: WorkerConnection): Promise<WorkerRegistration> {
    const { assignments, endOfTurn, groups, node } = this.#options;
    const checked = checkHello(hello);
    this.#checkRunning();
    this.#registered += 1;
    const worker = new WorkerHandle(`${node}-w${this.#registered.toString(36)}`, checked, connection);
    this.#workers.set(worker.id, worker);
    try {
      await groups.add(worker);
      this.#checkRunning();
    } catch (error) {
      this.#remove(worker);
      throw error;
    }
    // The caller's continuation runs before the worker gets its first task.
    endOfTurn(() => {
      worker.registered = true;
      assignments.assignWaiting(worker);
    });
    return this.#createRegistration(worker);
  }

  /** Stops assigning new tasks to the workers. */
  drain(): void {
    this.#stopped = true;
    for (const worker of this.#workers.values()) this.#drain(worker);
  }

  /** Removes the workers and returns their tasks to the calling nodes. */
  stop(): void {
    this.#stopped = true;
    for (const worker of this.#workers.values()) this.#remove(worker);
  }

  #createRegistration(worker: WorkerHandle): WorkerRegistration {
    return {
      workerId: worker.id,
      acknowledge: (id) => {
        this.#acknowledge(worker, id);
      },
      answer: (id, payload, more) => {
        this.#answer(worker, id, payload, more);
      },
      fail: (id, error) => {
        this.#fail(worker, id, error);
      },
      drain: () => {
        this.#drain(worker);
      },
      unregister: () => {
        this.#remove(worker);
      },
    };
  }

  #checkRunning(): void {
    if (this.#stopped) throw new CarillonError("unavailable", "this node is stopping: connect to another one");
  }

  #acknowledge(worker: WorkerHandle, id: string): void {
    this.#endSilence(worker);
    const task = worker.tasks.get(id);
    if (task !== undefined) task.acknowledged = true;
  }

  #answer(worker: WorkerHandle, id: string, payload: Uint8Array, more: boolean): void {
    const { assignments, transport } = this.#options;
    this.#endSilence(worker);
    const task = worker.tasks.get(id);
    if (task === undefined) return;
    if (payload.length > MAX_PAYLOAD_BYTES) {
      const text = `the worker's answer is larger than ${MAX_PAYLOAD_BYTES} bytes`;
      assignments.cancelAt(worker, task);
      this.#fail(worker, id, new CarillonError("resource_exhausted", text));
      return;
    }
    task.acknowledged = true;
    const { wantsAnswer } = task.request;
    if (more && !wantsAnswer) return;
    const position = task.parts;
    task.parts += 1;
    task.reported = true;
    const part = { position, more, payload: wantsAnswer ? payload : EMPTY };
    transport.send(task.from, { type: "part", ...task.offerId, ...part });
    if (!more) assignments.end(task);
  }

  #fail(worker: WorkerHandle, id: string, error: CarillonError): void {
    const { assignments, transport } = this.#options;
    const { code, message } = error;
    this.#endSilence(worker);
    const task = worker.tasks.get(id);
    if (task === undefined) return;
    task.reported = true;
    transport.send(task.from, { type: "failed", ...task.offerId, code, message });
    assignments.end(task, error);
  }

  #drain(worker: WorkerHandle): void {
    if (worker.draining) return;
    worker.draining = true;
    for (const group of this.#options.groups.remove(worker)) this.#refuseUnserved(group);
  }

  #remove(worker: WorkerHandle): void {
    if (!this.#workers.delete(worker.id)) return;
    this.#drain(worker);
    for (const task of worker.tasks.values()) this.#options.assignments.return(task);
  }

  /** Refuses the waiting tasks for which no worker is left, so that the calling nodes offer them elsewhere. */
  #refuseUnserved(group: WorkerGroup): void {
    const { assignments, transport } = this.#options;
    for (const task of group.waiting) {
      if (group.has(task)) continue;
      transport.send(task.from, { type: "refused", ...task.offerId, reason: "gone" });
      assignments.end(task);
    }
  }

  #endSilence(worker: WorkerHandle): void {
    if (!worker.silent) return;
    worker.silent = false;
    this.#options.assignments.assignWaiting(worker);
  }
}

/**
 * Checks a worker's registration.
 * @returns the registration without duplicate patterns
 * @throws CarillonError invalid_argument
 */
function checkHello(hello: WorkerHello): WorkerHello {
  const { capacity, events, name } = hello;
  if (events.length === 0 || events.length > MAX_EVENTS) {
    throw invalidArgument(`events: expected 1 to ${MAX_EVENTS} patterns, got ${events.length}`);
  }
  const problem = weightProblem(patternWeight(events, MAX_TOTAL_WEIGHT));
  if (problem !== undefined) throw invalidArgument(`a worker's ${problem}`);
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > MAX_CAPACITY) {
    throw invalidArgument(`capacity: expected 1 to ${MAX_CAPACITY}, got ${capacity}`);
  }
  if (name.length > MAX_NAME_LENGTH) {
    throw invalidArgument(`name: expected at most ${MAX_NAME_LENGTH} characters`);
  }
  return { ...hello, events: [...new Set(events)] };
}

const EMPTY = new Uint8Array();
