import { CarillonError } from "../../errors.js";

/** Refused for coming too often: worth another attempt, but not at once. */
export class RateLimited extends CarillonError {
  /** Seconds after which to try again; at least 1. */
  readonly retryAfter: number;

  /** @param wait - milliseconds */
  constructor(message: string, wait: number) {
    super("resource_exhausted", message, { retryDelay: wait });
    this.retryAfter = Math.max(1, Math.ceil(wait / 1_000));
  }
}
