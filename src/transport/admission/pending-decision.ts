import type { AdmittedClient } from "../../clients/admission.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";

/** Longest wait for a decision, in milliseconds. Each single request to a backend has a shorter limit. */
const DECISION_TIMEOUT = 10_000;

/** Outcome of a decision. At most one of these is called, once. */
export interface DecisionEvents {
  onAdmitted(admitted: AdmittedClient): void;
  /** @param cause - the refusal; unavailable when the decision took too long */
  onRefused(cause: unknown): void;
}

/** A decision on a client that is waited for. A client that is admitted too late is released. */
export class PendingDecision {
  readonly #cancelTimeout: () => void;
  #open = true;

  constructor(decision: Promise<AdmittedClient>, clock: Clock, events: DecisionEvents) {
    const refuse = (cause: unknown): void => {
      if (this.abandon()) events.onRefused(cause);
    };
    this.#cancelTimeout = clock.after(DECISION_TIMEOUT, () => {
      refuse(new CarillonError("unavailable", "it took too long to decide on this connection"));
    });
    decision.then((admitted) => {
      if (this.abandon()) events.onAdmitted(admitted);
      else admitted.release();
    }, refuse);
  }

  /** Waits no more: neither event is called. @returns false when the decision has been made already */
  abandon(): boolean {
    if (!this.#open) return false;
    this.#open = false;
    this.#cancelTimeout();
    return true;
  }
}
