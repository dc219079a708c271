import type { CarillonError } from "../errors.js";

/** A request to the workers of a vhost. */
export interface TaskRequest {
  readonly vhost: string;
  /** Name that is matched with the workers' patterns: 1 to 255 bytes, with the syntax of a topic. */
  readonly event: string;
  readonly payload: Uint8Array;
  /** Topic of the publish that triggered it; "" otherwise. */
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
}

/** The caller of a task. Exactly one of `onPart` with `more` false and `onFailed` ends the task, unless it is cancelled before. */
export interface Caller {
  /** Called once, before the first part, when the task waits for a worker or has one. */
  onTaken?(): void;
  /** Called once for a trigger, after onTaken, when a worker has it; not if it has ended by then. */
  onGiven?(): void;
  onPart(payload: Uint8Array, more: boolean): void;
  /**
   * Called when the task has failed.
   * @param error - unavailable: no worker, three lost in turn, or one lost after a part of its answer. resource_exhausted: too
   *   many tasks wait. deadline_exceeded. Or the failure that the worker reported
   */
  onFailed(error: CarillonError): void;
}

/** A task under way. */
export interface CallHandle {
  readonly taskId: string;
  /** Ends the wait and tells the worker. Does nothing once the task has ended. */
  cancel(): void;
}

/** Gives tasks to workers on any node. Every driver passes test/contract/dispatch.ts. */
export interface Dispatch {
  /** Starts a task. Never throws: an invalid request is reported to the caller in a later turn. */
  ask(request: TaskRequest, caller: Caller): CallHandle;
  /**
   * Registers a worker. Resolves when tasks of any node reach it.
   * @throws CarillonError invalid_argument: patterns, capacity. unavailable: this node is stopping
   */
  enter(hello: WorkerHello, connection: WorkerConnection): Promise<WorkerRegistration>;
  /** Lists the workers of a vhost on all nodes. */
  list(vhost: string): Promise<WorkerList>;
}

export interface WorkerHello {
  readonly vhost: string;
  /** Patterns of events, in the syntax of src/access/patterns/pattern.ts. */
  readonly events: readonly string[];
  /** Largest number of tasks at a time. */
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
  /** Number of tasks that it has. */
  readonly tasks: number;
}

/** The workers of a vhost. */
export interface WorkerList {
  /** Ordered by node and id. */
  readonly workers: readonly WorkerDescription[];
  /** Whether a node has more: at most 1,000 of each node are listed. */
  readonly more: boolean;
  /** Nodes that did not answer in time. */
  readonly missing: readonly string[];
}

export interface GivenTask extends TaskRequest {
  readonly id: string;
  /** Counts from 1. */
  readonly attempt: number;
}

/** The connection to a worker. */
export interface WorkerConnection {
  give(task: GivenTask): void;
  cancel(taskId: string): void;
}

/** Reports of a worker's connection. Those about a task that the worker does not have are ignored. */
export interface WorkerRegistration {
  readonly workerId: string;
  acknowledge(taskId: string): void;
  answer(taskId: string, payload: Uint8Array, more: boolean): void;
  fail(taskId: string, error: CarillonError): void;
  /** Stops new tasks. */
  drain(): void;
  /** Removes the worker, whose connection has ended. Its tasks go to others. */
  leave(): void;
}
