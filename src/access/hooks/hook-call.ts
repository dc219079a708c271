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
  /** Told before the breaker is. */
  readonly onFailed: (failure: HookFailure) => void;
}

/**
 * One call: it waits for its place, is made unless the breaker is open, and is given up when its time is over. The time of
 * a question runs from the beginning, as somebody waits for it; that of a farewell from when it is made.
 */
export class HookCall<T> {
  readonly #options: HookCallOptions;
  readonly #outcome = withResolvers<T>();
  readonly #controller = new AbortController();
  #cancelTimer: (() => void) | undefined;
  #giveUpWaiting: (() => boolean) | undefined;
  #ticket: Ticket | undefined;

  constructor(options: HookCallOptions) {
    this.#options = options;
    // It may be decided before anybody waits for it.
    this.#outcome.promise.catch(ignore);
  }

  /** @throws HookFailure */
  async run(make: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { breaker, gate, stopping, urgency } = this.#options;
    // Farewells look when it is their turn: they have time.
    if (urgency === "question" && breaker.state !== "closed") this.#take();
    stopping.addEventListener("abort", this.#onStopping);
    if (stopping.aborted) this.#onStopping();
    if (urgency === "question") this.#startTimer();
    try {
      this.#giveUpWaiting = gate.enter(urgency, () => {
        this.#begin(make).catch(ignore);
      });
      if (this.#giveUpWaiting === undefined) throw new HookFailure("overload", "too many calls wait for the backend");
      return await this.#outcome.promise;
    } finally {
      this.#cancelTimer?.();
      stopping.removeEventListener("abort", this.#onStopping);
      this.#giveUpWaiting?.();
      this.#ticket?.unused();
      this.#ticket = undefined;
    }
  }

  async #begin(make: (signal: AbortSignal) => Promise<T>): Promise<void> {
    const { gate } = this.#options;
    try {
      if (!this.#controller.signal.aborted) await this.#make(make);
    } finally {
      gate.leave();
    }
  }

  async #make(make: (signal: AbortSignal) => Promise<T>): Promise<void> {
    try {
      this.#take();
      if (this.#options.urgency === "farewell") this.#startTimer();
      const answer = await make(this.#controller.signal);
      this.#settle()?.succeeded();
      this.#outcome.resolve(answer);
    } catch (cause) {
      this.#fail(failureOf(cause));
    }
  }

  /** @throws HookFailure breaker_open */
  #take(): void {
    this.#ticket ??= this.#options.breaker.enter();
    if (this.#ticket === undefined) {
      throw new HookFailure("breaker_open", "the backend is left alone for a while, after it has failed");
    }
  }

  #startTimer(): void {
    const { clock, timeout } = this.#options;
    this.#cancelTimer = clock.after(timeout, () => {
      // That it waited too long for its place says nothing of the backend that those before it have not said.
      if (this.#giveUpWaiting?.() === true) {
        this.#settle()?.unused();
      }
      this.#fail(new HookFailure("late", `no answer within ${timeout} ms`));
    });
  }

  readonly #onStopping = (): void => {
    this.#settle()?.unused();
    this.#fail(new HookFailure("failed", "this node is stopping, or the settings have changed"));
  };

  /** The first outcome counts; what comes later finds no ticket. */
  #fail(failure: HookFailure): void {
    const ticket = this.#settle();
    if (ticket !== undefined) {
      this.#options.onFailed(failure);
      ticket.failed();
    }
    this.#outcome.reject(failure);
    this.#controller.abort(failure);
  }

  #settle(): Ticket | undefined {
    const ticket = this.#ticket;
    this.#ticket = undefined;
    return ticket;
  }
}

function failureOf(cause: unknown): HookFailure {
  if (cause instanceof HookFailure) return cause;
  return new HookFailure("failed", errorText(cause), { cause });
}
