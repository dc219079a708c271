import type { TraceContext } from "../core/tracing/trace-context.js";
import type { CarillonError } from "../errors.js";

/** A request to the workers of a vhost. */
export interface TaskRequest {
  readonly vhost: string;
  /** Name that workers' patterns are matched against: 1 to 255 bytes, with the syntax of a topic. */
  readonly event: string;
  readonly payload: Uint8Array;
  /** Topic of the publish that triggered the event; "" otherwise. */
  readonly topic: string;
  /** Connection of the calling client; "" for a backend. */
  readonly connectionId: string;
  /** "" for an anonymous client, and for a backend. */
  readonly user: string;
  /** JSON text of an object. */
  readonly info: string;
  /** Deadline of the caller, in milliseconds since the epoch. */
  readonly deadline: number;
  /** False for a trigger, whose caller does not wait for the outcome. */
  readonly wantsAnswer: boolean;
  /** Trace of the task; undefined if it is not sampled. */
  readonly trace?: TraceContext | undefined;
}

/** Records the tasks of sampled traces. */
export interface TaskTracer {
  /** Begins the span of a task at the node that requested it. @returns undefined if it is not sampled */
  beginCall(request: TaskRequest): TaskSpan | undefined;
  /** Begins the span of a task that a worker gets. */
  beginTask(event: string, vhost: string, trace: TraceContext): TaskSpan;
}

/** Span of a task. */
export interface TaskSpan {
  readonly trace: TraceContext;
  /** @param cause - reason of a failure; undefined after a success */
  end(cause?: unknown): void;
}

/** The caller of a task. Either `onPart` with `more` false or `onFailed` ends the task, unless it is cancelled earlier. */
export interface Caller {
  /** Called once, before the first part, when the task waits for a worker or has one. */
  onTaken?(): void;
  /** Called once for a trigger, after onTaken, when a worker has it; not called when the trigger has ended by then. */
  onAssigned?(): void;
  onPart(payload: Uint8Array, more: boolean): void;
  /**
   * Called when the task has failed.
   * @param error - unavailable: no worker, three workers lost in succession, or one lost after a part of its answer.
   *   resource_exhausted: too many tasks wait. deadline_exceeded: not answered in time. Or the failure that the worker reported
   */
  onFailed(error: CarillonError): void;
}

/** Handle of a task in progress. */
export interface CallHandle {
  readonly taskId: string;
  /** Cancels the task and notifies its worker. Does nothing once the task has ended. */
  cancel(): void;
}

/** Distributes tasks to workers on any node. Every driver passes test/contract/dispatch.ts. */
export interface Dispatch {
  /** Starts a task. Never throws: an invalid request is reported to the caller in a later turn. */
  startTask(request: TaskRequest, caller: Caller): CallHandle;
  /**
   * Registers a worker. Resolves when tasks from any node can reach it.
   * @throws CarillonError invalid_argument for patterns, capacity or name; resource_exhausted for too many patterns;
   *   unavailable when this node is stopping
   */
  registerWorker(hello: WorkerHello, connection: WorkerConnection): Promise<WorkerRegistration>;
  /** Lists the workers of a vhost on all nodes. */
  list(vhost: string): Promise<WorkerList>;
}

export interface WorkerHello {
  readonly vhost: string;
  /** Patterns of events, in the syntax of src/access/patterns/pattern.ts. */
  readonly events: readonly string[];
  /** Maximum number of concurrent tasks. */
  readonly capacity: number;
  readonly name: string;
  /** False for a worker that cannot report outcomes, and gets triggers only. Default: true. */
  readonly answers?: boolean;
}

/** A worker in a listing. */
export interface WorkerDescription {
  readonly id: string;
  readonly node: string;
  readonly name: string;
  readonly events: readonly string[];
  readonly capacity: number;
  /** False for a worker that gets triggers only. */
  readonly answers: boolean;
  /** Number of tasks that the worker has. */
  readonly tasks: number;
}

/** The workers of a vhost. */
export interface WorkerList {
  /** Ordered by node and id. */
  readonly workers: readonly WorkerDescription[];
  /** Whether a node has more workers than the list shows, which is at most 1,000 of each node. */
  readonly more: boolean;
  /** Nodes that did not answer in time. */
  readonly missing: readonly string[];
}

export interface TaskAssignment extends TaskRequest {
  readonly id: string;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
}

/** The connection to a worker. */
export interface WorkerConnection {
  assign(task: TaskAssignment): void;
  cancel(taskId: string): void;
}

/** Reports from a worker's connection. Reports about a task that the worker does not have are ignored. */
export interface WorkerRegistration {
  readonly workerId: string;
  acknowledge(taskId: string): void;
  answer(taskId: string, payload: Uint8Array, more: boolean): void;
  fail(taskId: string, error: CarillonError): void;
  /** Stops assigning new tasks to the worker. */
  drain(): void;
  /** Removes the worker, whose connection has ended. Its tasks go to other workers. */
  unregister(): void;
}
