import { setMaxListeners } from "node:events";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { type BreakerOptions, type BreakerState, CircuitBreaker } from "./circuit-breaker.js";
import { ConcurrencyLimit, type Urgency } from "./concurrency-limit.js";
import { checkChanges, type HookChanges, httpRefusal, NO_CHANGES, refusalError } from "./hook-answer.js";
import { HookCall, type HookFailure } from "./hook-call.js";
import type {
  ConnectQuestion,
  ForwardedUpgrade,
  GivenRefusal,
  HookCaller,
  HookEvent,
  HookFarewell,
  HookForward,
  JoinQuestion,
  PublishQuestion,
  Verdict,
} from "./hook-caller.js";
import type { HookCounts } from "./hook-counts.js";

/** What becomes of a question that brings no answer. */
export type OnFailure = "refuse" | "allow";

export interface HookSettings {
  readonly events: readonly HookEvent[];
  readonly forward: readonly HookForward[];
  /** Milliseconds until an answer must be there, waiting for a place included. */
  readonly timeout: number;
  readonly on_failure: OnFailure;
  /** Calls that may be under way at once. */
  readonly concurrency: number;
  readonly breaker: BreakerOptions;
}

export interface HooksOptions {
  readonly settings: HookSettings;
  readonly caller: HookCaller;
  readonly clock: Clock;
  /** Those of the node; they outlive a change of the settings. */
  readonly counts: HookCounts;
  /** A call has failed; for the log. */
  readonly onFailed: (event: HookEvent, failure: Error) => void;
  /** The breaker has opened, because of this failure; for the log. */
  readonly onOpened: (failure: Error) => void;
  /** The backend answers again. */
  readonly onClosed: () => void;
}

/**
 * A vhost's backend, asked about what its clients do. What fails, is late or cannot be understood is decided by
 * `on_failure`; what the backend refuses is refused.
 *
 * Every queue is bounded (O6), and while the breaker is open nobody waits.
 */
export class Hooks {
  readonly #options: HooksOptions;
  readonly #gate: ConcurrencyLimit;
  readonly #breaker: CircuitBreaker;
  readonly #stopping = new AbortController();
  /** Calls that are under way or wait. */
  readonly #open: Readonly<Record<Urgency, Set<Promise<unknown>>>> = { question: new Set(), farewell: new Set() };
  /** What decides where a call brings no answer. */
  #onFailure: () => OnFailure;
  #lastFailure: Error = new Error("no call has failed");

  constructor(options: HooksOptions) {
    this.#options = options;
    this.#onFailure = () => options.settings.on_failure;
    // One for each call that is under way or waits.
    setMaxListeners(0, this.#stopping.signal);
    this.#gate = new ConcurrencyLimit(options.settings.concurrency);
    this.#breaker = new CircuitBreaker(options.settings.breaker, options.clock, {
      onOpened: () => options.onOpened(this.#lastFailure),
      onClosed: () => options.onClosed(),
    });
  }

  /** Whether the backend wants to hear of it. The methods below may be called anyhow: they allow it then. */
  asks(event: HookEvent): boolean {
    return this.#options.settings.events.includes(event);
  }

  /** Whether the backend is to be told of this too. */
  forwards(what: HookForward): boolean {
    return this.#options.settings.forward.includes(what);
  }

  /** The upgrade as a join tells it: nothing where the settings let less through now than they did at the upgrade. */
  upgradeAtJoin(upgrade: ForwardedUpgrade | undefined): ForwardedUpgrade | undefined {
    if (upgrade === undefined || !this.forwards("join")) return undefined;
    return upgrade.forwarded.every((what) => this.forwards(what)) ? upgrade : undefined;
  }

  get breakerState(): BreakerState {
    return this.#breaker.state;
  }

  /**
   * @throws HttpRefusal as the backend wants it refused
   * @throws CarillonError unavailable, resource_exhausted: the backend could not be asked
   */
  onConnect(question: ConnectQuestion): Promise<HookChanges> {
    return this.#ask("connect", (caller, signal) => caller.connect(question, signal), httpRefusal);
  }

  /**
   * @throws CarillonError with the backend's code and text, permission_denied where it names none
   * @throws CarillonError unavailable, resource_exhausted: the backend could not be asked
   */
  async onJoin(question: JoinQuestion): Promise<HookChanges> {
    const changes = await this.#ask("join", (caller, signal) => caller.join(question, signal), refusalOf);
    return { ...changes, user: undefined };
  }

  /** @throws as onJoin does */
  async onPublish(question: PublishQuestion): Promise<HookChanges> {
    const changes = await this.#ask("publish", (caller, signal) => caller.publish(question, signal), refusalOf);
    return { ...changes, user: undefined };
  }

  /** Tells the backend some time later, once, if it can be told. Never throws. */
  onDisconnect(farewell: HookFarewell): void {
    if (!this.asks("disconnect")) return;
    this.#call("disconnect", (caller, signal) => caller.disconnect(farewell, signal)).then(
      () => this.#options.counts.count("disconnect", "allowed"),
      ({ outcome }: HookFailure) => this.#options.counts.count("disconnect", outcome),
    );
  }

  /** Resolves when no farewell is under way or waits any more. */
  async drained(): Promise<void> {
    await settled(this.#open.farewell);
  }

  /**
   * Its settings hold no more: what has begun is finished, and then it stops.
   * @param onFailure - decides from now on where a call brings no answer; undefined: as it was decided before
   */
  async retire(onFailure: () => OnFailure | undefined): Promise<void> {
    this.#onFailure = () => onFailure() ?? this.#options.settings.on_failure;
    await Promise.all([settled(this.#open.question), settled(this.#open.farewell)]);
    this.stop();
  }

  /** Calls under way fail, and so does what comes later. */
  stop(): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#options.caller.close();
  }

  async #ask<Refusal>(
    event: Exclude<HookEvent, "disconnect">,
    call: (caller: HookCaller, signal: AbortSignal) => Promise<Verdict<Refusal>>,
    errorOf: (refusal: Refusal) => Error,
  ): Promise<HookChanges> {
    if (!this.asks(event)) return NO_CHANGES;
    const { counts } = this.#options;
    let answer: HookChanges | Error;
    try {
      answer = await this.#call(event, async (caller, signal) => {
        const verdict = await call(caller, signal);
        return "allow" in verdict ? checkChanges(verdict.allow) : refusalFrom(() => errorOf(verdict.refuse));
      });
    } catch (cause) {
      return this.#decide(event, cause as HookFailure);
    }
    counts.count(event, answer instanceof Error ? "refused" : "allowed");
    if (answer instanceof Error) throw answer;
    return answer;
  }

  #decide(event: HookEvent, { outcome }: HookFailure): HookChanges {
    this.#options.counts.count(event, outcome);
    if (this.#onFailure() === "allow") return NO_CHANGES;
    // Why is the operator's to know; the client is told whether coming again may help.
    if (outcome === "overload") {
      throw new CarillonError("resource_exhausted", "too much is being asked of the backend at the moment");
    }
    throw new CarillonError("unavailable", "the backend, which decides this, does not answer");
  }

  /** @throws HookFailure */
  #call<T>(event: HookEvent, run: (caller: HookCaller, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { caller, clock, counts, settings } = this.#options;
    const begin = performance.now();
    const urgency: Urgency = event === "disconnect" ? "farewell" : "question";
    const call = new HookCall<T>({
      gate: this.#gate,
      breaker: this.#breaker,
      clock,
      timeout: settings.timeout,
      urgency,
      stopping: this.#stopping.signal,
      onFailed: (failure) => {
        this.#lastFailure = failure;
        this.#options.onFailed(event, failure);
      },
    });
    const open = this.#open[urgency];
    const ended: Promise<T> = call
      .run((signal) => run(caller, signal))
      .finally(() => {
        open.delete(ended);
        counts.addSeconds(event, (performance.now() - begin) / 1_000);
      });
    open.add(ended);
    return ended;
  }
}

const refusalOf = (given: GivenRefusal): Error => refusalError(given);

/** A refusal that cannot be written as it was given is still one: it must not let anybody in. */
function refusalFrom(make: () => Error): Error {
  try {
    return make();
  } catch (cause) {
    return new CarillonError("permission_denied", "refused by the backend", { cause });
  }
}

/** Resolves when the set is empty; what is in it leaves it as it settles. */
async function settled(open: ReadonlySet<Promise<unknown>>): Promise<void> {
  while (open.size > 0) await Promise.allSettled(open);
}
