import type { Clock } from "../../core/ports.js";
import { ignore } from "../../util/ignore.js";
import { errorText } from "../../util/native-error.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { CircuitBreaker, Ticket } from "./circuit-breaker.js";
import type { ConcurrencyLimit, Urgency } from "./concurrency-limit.js";
import type { HookOutcome } from "./hook-counts.js";

/** A call that failed. The text is for operators. */
export class HookFailure extends Error {
  override readonly name = "HookFailure";

  constructor(
    readonly outcome: Exclude<HookOutcome, "allowed" | "refused">,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface HookCallOptions {
  readonly gate: ConcurrencyLimit;
  readonly breaker: CircuitBreaker;
  readonly clock: Clock;
  readonly timeout: number;
  readonly urgency: Urgency;
  readonly stopping: AbortSignal;
  /** Called before the breaker counts the failure. */
  readonly onFailed: (failure: HookFailure) => void;
}

/**
 * One hook call. It waits for a slot, is made unless the breaker is open, and fails after the timeout. The timeout of a
 * request includes the wait for a slot, because a client waits for the answer. That of a notification starts when the call
 * is made.
 */
export class HookCall<T> {
  readonly #options: HookCallOptions;
  readonly #outcome = withResolvers<T>();
  readonly #controller = new AbortController();
  #cancelTimer: (() => void) | undefined;
  #cancelWaiting: (() => boolean) | undefined;
  #ticket: Ticket | undefined;

  constructor(options: HookCallOptions) {
    this.#options = options;
    // The outcome may be settled before `run` awaits it.
    this.#outcome.promise.catch(ignore);
  }

  /** Makes the call, and returns its answer. @throws HookFailure */
  async run(request: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { breaker, gate, stopping, urgency } = this.#options;
    // Fails at once while the breaker is open. Notifications check the breaker only when they have a slot.
    if (urgency === "request" && breaker.state !== "closed") this.#acquireTicket();
    stopping.addEventListener("abort", this.#onStopping);
    if (stopping.aborted) this.#onStopping();
    if (urgency === "request") this.#startTimer();
    try {
      this.#cancelWaiting = gate.acquire(urgency, () => {
        this.#begin(request).catch(ignore);
      });
      if (this.#cancelWaiting === undefined) throw new HookFailure("overload", "too many pending backend calls");
      return await this.#outcome.promise;
    } finally {
      this.#cancelTimer?.();
      stopping.removeEventListener("abort", this.#onStopping);
      this.#cancelWaiting?.();
      this.#ticket?.unused();
      this.#ticket = undefined;
    }
  }

  async #begin(request: (signal: AbortSignal) => Promise<T>): Promise<void> {
    const { gate } = this.#options;
    try {
      if (!this.#controller.signal.aborted) await this.#run(request);
    } finally {
      gate.release();
    }
  }

  async #run(request: (signal: AbortSignal) => Promise<T>): Promise<void> {
    try {
      this.#acquireTicket();
      if (this.#options.urgency === "notification") this.#startTimer();
      const answer = await request(this.#controller.signal);
      this.#settle()?.succeeded();
      this.#outcome.resolve(answer);
    } catch (cause) {
      this.#fail(toHookFailure(cause));
    }
  }

  /** @throws HookFailure breaker_open */
  #acquireTicket(): void {
    this.#ticket ??= this.#options.breaker.acquire();
    if (this.#ticket === undefined) {
      throw new HookFailure("breaker_open", "calls to the backend are suspended after repeated failures");
    }
  }

  #startTimer(): void {
    const { clock, timeout } = this.#options;
    this.#cancelTimer = clock.after(timeout, () => {
      // A timeout while waiting for a slot says nothing new about the backend.
      if (this.#cancelWaiting?.() === true) {
        this.#settle()?.unused();
      }
      this.#fail(new HookFailure("late", `no answer within ${timeout} ms`));
    });
  }

  readonly #onStopping = (): void => {
    this.#settle()?.unused();
    this.#fail(new HookFailure("failed", "this node is stopping, or the settings have changed"));
  };

  /** Fails the call. Only the first outcome is reported to the breaker, because it takes the ticket. */
  #fail(failure: HookFailure): void {
    const ticket = this.#settle();
    if (ticket !== undefined) {
      this.#options.onFailed(failure);
      ticket.failed();
    }
    this.#outcome.reject(failure);
    this.#controller.abort(failure);
  }

  /** Takes the ticket; undefined if an earlier outcome has taken it. */
  #settle(): Ticket | undefined {
    const ticket = this.#ticket;
    this.#ticket = undefined;
    return ticket;
  }
}

function toHookFailure(cause: unknown): HookFailure {
  if (cause instanceof HookFailure) return cause;
  return new HookFailure("failed", errorText(cause), { cause });
}
