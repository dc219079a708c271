import { CarillonError } from "../../errors.js";

/** Refusal of a client above a rate limit, with the time after which to retry. */
export class RateLimited extends CarillonError {
  /** Seconds after which to retry; at least 1. */
  readonly retryAfter: number;

  /** @param wait - time after which to retry, in milliseconds */
  constructor(message: string, wait: number) {
    super("resource_exhausted", message, { retryDelay: wait });
    this.retryAfter = Math.max(1, Math.ceil(wait / 1_000));
  }
}
