/** Call with a deadline. */
export interface ExpiringCall {
  /** Starts the call's timer, if the call has not been answered. */
  startTimer(): void;
}

/**
 * Starts the timers of calls at the end of the turn in which they begin. Most calls are answered within that turn, and
 * need none.
 */
export class CallDeadlines {
  #begun: ExpiringCall[] = [];

  add(call: ExpiringCall): void {
    if (this.#begun.length === 0) process.nextTick(this.#startTimers);
    this.#begun.push(call);
  }

  readonly #startTimers = (): void => {
    const begun = this.#begun;
    this.#begun = [];
    for (const call of begun) call.startTimer();
  };
}
