import { invalidArgument } from "../errors.js";
import type { NodeConnectionOptions } from "../outbound/stream-client.js";

/** Options of a worker. Its key needs the action `work`. */
export interface WorkerClientOptions extends NodeConnectionOptions {
  /** Maximum number of concurrent tasks, 1 to 10,000; default 10. */
  readonly capacity?: number;
  /** Name for operators; at most 64 characters. */
  readonly name?: string;
  /**
   * Receives errors that are not reported elsewhere: a handler that failed with an error other than a CarillonError, and a
   * lost connection. Default: a process warning.
   */
  readonly onError?: (error: Error) => void;
}

const DEFAULT_CAPACITY = 10;

/** @throws CarillonError invalid_argument */
export function readCapacity({ capacity = DEFAULT_CAPACITY }: WorkerClientOptions): number {
  if (Number.isInteger(capacity) && capacity >= 1 && capacity <= 10_000) return capacity;
  throw invalidArgument(`capacity: expected 1 to 10,000, got ${capacity}`);
}
