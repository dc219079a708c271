import type { JsonObject } from "../access/decide/principal.js";

/** Task for a worker. */
export interface WorkerTask {
  /** Identifies the task. It stays the same when the task is assigned again after its worker was lost. */
  readonly id: string;
  readonly event: string;
  readonly payload: Uint8Array;
  /** The payload as text. */
  text(): string;
  /** The payload as JSON. @throws SyntaxError if it is not JSON */
  json(): unknown;
  /** Topic of the message with which a client triggered the task; "" otherwise. */
  readonly topic: string;
  /** Connection of the calling client; "" for a backend. */
  readonly connectionId: string;
  /** "" for an anonymous client, and for a backend. */
  readonly user: string;
  readonly info: JsonObject;
  /** The info as JSON text, with all digits of its numbers. */
  readonly infoJson: string;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** Deadline of the caller, in milliseconds since the epoch. */
  readonly deadline: number;
  /** False for a trigger, whose answer is discarded. */
  readonly wantsAnswer: boolean;
  /** Header `traceparent` (W3C Trace Context) by which the worker can continue the trace; "" where it is not sampled. */
  readonly traceparent: string;
  /** Aborted when the caller no longer waits for the answer, and when the connection is lost. */
  readonly signal: AbortSignal;
}

/** Answers a task. If the handler returns without a final answer, the task ends with an empty one. */
export interface WorkerAnswer {
  /**
   * Ends the task.
   * @throws CarillonError failed_precondition: already answered; resource_exhausted: more than 4 MiB less 1 KiB
   */
  (payload: string | Uint8Array): void;
  /**
   * Sends one part of the answer, which does not end the task. Resolves when the connection accepts more.
   * @throws CarillonError as for the final answer
   */
  part(payload: string | Uint8Array): Promise<void>;
}

/**
 * Handles a task. The caller receives a thrown CarillonError unchanged, and any other error as `internal` without its text.
 */
export type WorkerHandler = (task: WorkerTask, answer: WorkerAnswer) => void | Promise<void>;
