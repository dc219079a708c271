import { invalidArgument } from "../errors.js";
import type { NodeConnectionOptions } from "../outbound/stream-client.js";

/** Options of a publisher. Its key needs the action `publish`. */
export interface PublisherClientOptions extends NodeConnectionOptions {
  /** Maximum number of unconfirmed messages, 1 to 1,000,000; default 10,000. */
  readonly maxPending?: number;
  /**
   * Milliseconds after which an unconfirmed message fails, 1 to 3,600,000; default 30,000. Until then it is sent again after each
   * lost connection.
   */
  readonly timeout?: number;
}

const DEFAULT_MAX_PENDING = 10_000;
const MAX_PENDING = 1_000_000;
const DEFAULT_TIMEOUT = 30_000;
const MAX_TIMEOUT = 3_600_000;

/** @throws CarillonError invalid_argument */
export function readPublisherLimits({ maxPending, timeout }: PublisherClientOptions) {
  return {
    maxPending: readInteger("maxPending", maxPending ?? DEFAULT_MAX_PENDING, MAX_PENDING),
    timeout: readInteger("timeout", timeout ?? DEFAULT_TIMEOUT, MAX_TIMEOUT),
  };
}

function readInteger(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw invalidArgument(`${name}: expected 1 to ${most.toLocaleString("en-US")}, got ${value}`);
}
