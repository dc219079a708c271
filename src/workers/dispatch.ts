import type { CarillonError } from "../errors.js";

/** What somebody asks workers to do. */
export interface TaskRequest {
  readonly vhost: string;
  /** The name that workers' patterns match: 1 to 255 bytes, as a topic's. */
  readonly event: string;
  readonly payload: Uint8Array;
  /** Where a client triggered it by publishing; "" otherwise. */
  readonly topic: string;
  /** Of the client that asks; "" for a backend. */
  readonly connectionId: string;
  /** "" for an anonymous client, and for a backend. */
  readonly user: string;
  /** JSON text of an object. */
  readonly info: string;
  /** When the asker gives up, in milliseconds since the epoch. */
  readonly deadline: number;
  /** False for a trigger: that it is done is all that counts. */
  readonly wantsAnswer: boolean;
}

/** Who waits for it. Exactly one of `onPart` with `more` false and `onFailed` ends it, unless it is cancelled before. */
export interface Caller {
  /** Once, before the first part: the task waits for a worker, or has one. */
  onTaken?(): void;
  /** Of a task that wants no answer, once, after onTaken: a worker has it. Not where it has ended as soon as that. */
  onGiven?(): void;
  onPart(payload: Uint8Array, more: boolean): void;
  /**
   * unavailable: no worker, or three in turn were lost, or one after a part of its answer. resource_exhausted: too much
   * waits. deadline_exceeded. Or what the worker says.
   */
  onFailed(error: CarillonError): void;
}

/** A task under way. */
export interface CallHandle {
  readonly taskId: string;
  /** Nobody waits any more: the worker is told. Does nothing once the task has ended. */
  cancel(): void;
}

/** Gives tasks to workers, on whichever node they are. Every driver passes test/contract/dispatch.ts. */
export interface Dispatch {
  /** Never throws: what is wrong with the request goes to the asker, in a later turn. */
  ask(request: TaskRequest, asker: Caller): CallHandle;
  /**
   * Takes a worker in. Resolves when tasks of any node reach it.
   * @throws CarillonError invalid_argument (patterns, capacity), unavailable: this node is stopping
   */
  enter(hello: WorkerHello, connection: WorkerConnection): Promise<WorkerRegistration>;
  /** The workers of a vhost, of all nodes. */
  list(vhost: string): Promise<WorkerList>;
}

export interface WorkerHello {
  readonly vhost: string;
  /** Patterns of events, as src/access/patterns/pattern.ts reads them. */
  readonly events: readonly string[];
  /** Most tasks at a time. */
  readonly capacity: number;
  readonly name: string;
  /** False: it cannot say anything of what it was given, so that it gets triggers only. Default: true. */
  readonly answers?: boolean;
}

/** A worker as operators see it. */
export interface WorkerDescription {
  readonly id: string;
  readonly node: string;
  readonly name: string;
  readonly events: readonly string[];
  readonly capacity: number;
  /** False: it gets triggers only. */
  readonly answers: boolean;
  /** Tasks that it has. */
  readonly tasks: number;
}

/** The workers of a vhost. */
export interface WorkerList {
  /** Ordered by node and id. */
  readonly workers: readonly WorkerDescription[];
  /** There are more: of each node no more than 1,000 are listed. */
  readonly more: boolean;
  /** Nodes that did not answer in time. */
  readonly missing: readonly string[];
}

export interface GivenTask extends TaskRequest {
  readonly id: string;
  /** 1 the first time. */
  readonly attempt: number;
}

/** What a worker's connection is told. */
export interface WorkerConnection {
  give(task: GivenTask): void;
  cancel(taskId: string): void;
}

/** What a worker's connection tells. A task that it does not have (any more) is not heeded. */
export interface WorkerRegistration {
  readonly workerId: string;
  acknowledge(taskId: string): void;
  answer(taskId: string, payload: Uint8Array, more: boolean): void;
  fail(taskId: string, error: CarillonError): void;
  /** No new tasks from now on. */
  drain(): void;
  /** The connection has ended: what it had goes to others. */
  leave(): void;
}
