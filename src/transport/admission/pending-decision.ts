import type { AdmittedClient } from "../../clients/admission.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";

/** Longest wait for a decision, in milliseconds. Each request to a backend has a shorter timeout. */
const DECISION_TIMEOUT = 10_000;

/** Callbacks for the outcome of a decision. At most one of them is called, once. */
export interface DecisionEvents {
  onAdmitted(admitted: AdmittedClient): void;
  /** @param cause - the refusal; unavailable when the decision timed out */
  onRefused(cause: unknown): void;
}

/** Pending decision on a client. A client that is admitted after the timeout is released. */
export class PendingDecision {
  readonly #cancelTimeout: () => void;
  #open = true;

  constructor(decision: Promise<AdmittedClient>, clock: Clock, events: DecisionEvents) {
    const refuse = (cause: unknown): void => {
      if (this.abandon()) events.onRefused(cause);
    };
    this.#cancelTimeout = clock.after(DECISION_TIMEOUT, () => {
      refuse(new CarillonError("unavailable", "the connection was not admitted in time"));
    });
    decision.then((admitted) => {
      if (this.abandon()) events.onAdmitted(admitted);
      else admitted.release();
    }, refuse);
  }

  /** Stops waiting: neither event is called. @returns false when the decision has already been made */
  abandon(): boolean {
    if (!this.#open) return false;
    this.#open = false;
    this.#cancelTimeout();
    return true;
  }
}
