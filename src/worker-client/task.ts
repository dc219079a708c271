import type { JsonObject } from "../access/decide/principal.js";

/** What a worker is to do. */
export interface WorkerTask {
  /** The same when it comes again, because a worker that had it was lost. */
  readonly id: string;
  readonly event: string;
  readonly payload: Uint8Array;
  /** The payload as text. */
  text(): string;
  /** The payload as JSON. @throws SyntaxError for one that is none */
  json(): unknown;
  /** Where a client triggered it by publishing; "" otherwise. */
  readonly topic: string;
  /** Of the client that asked; "" for a backend. */
  readonly connectionId: string;
  /** "" for an anonymous client, and for a backend. */
  readonly user: string;
  readonly info: JsonObject;
  /** The info as JSON text, in which numbers have all their digits. */
  readonly infoJson: string;
  /** 1 the first time. */
  readonly attempt: number;
  /** When the asker gives up, in milliseconds since the epoch. */
  readonly deadline: number;
  /** False for a trigger: the answer's payload goes nowhere. */
  readonly wantsAnswer: boolean;
  /** Aborted when nobody waits for the answer any more, and when the connection is lost. */
  readonly signal: AbortSignal;
}

/** Answers a task. A handler that returns without having called it has given an empty answer. */
export interface WorkerAnswer {
  /**
   * Ends the task.
   * @throws CarillonError failed_precondition: it has ended; resource_exhausted: more than 4 MiB less 1 KiB
   */
  (payload: string | Uint8Array): void;
  /**
   * One part, and more follow. Resolves when the connection takes more.
   * @throws CarillonError as above
   */
  part(payload: string | Uint8Array): Promise<void>;
}

/**
 * Does what a task asks for. What it throws is told to the asker: a CarillonError as it is, anything else as `internal`
 * without a word of what it was.
 */
export type WorkerHandler = (task: WorkerTask, answer: WorkerAnswer) => void | Promise<void>;
