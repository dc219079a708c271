import { setMaxListeners } from "node:events";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { type BreakerOptions, type BreakerState, CircuitBreaker } from "./circuit-breaker.js";
import { ConcurrencyLimit, type Urgency } from "./concurrency-limit.js";
import { checkChanges, createHttpRefusal, createRefusal, type HookChanges, NO_CHANGES } from "./hook-answer.js";
import { HookCall, type HookFailure } from "./hook-call.js";
import type {
  ConnectHookRequest,
  DisconnectHookEvent,
  ForwardedUpgrade,
  HookCaller,
  HookEvent,
  HookForward,
  JoinHookRequest,
  PublishHookRequest,
  Verdict,
} from "./hook-caller.js";
import type { HookCounts } from "./hook-counts.js";

/** Decision on a request whose hook call fails. */
export type OnFailure = "refuse" | "allow";

export interface HookSettings {
  readonly events: readonly HookEvent[];
  readonly forward: readonly HookForward[];
  /** Milliseconds for a call. For requests, includes the wait for a slot. */
  readonly timeout: number;
  readonly on_failure: OnFailure;
  /** Maximum number of calls in flight. */
  readonly concurrency: number;
  readonly breaker: BreakerOptions;
}

export interface HooksOptions {
  readonly settings: HookSettings;
  readonly caller: HookCaller;
  readonly clock: Clock;
  /** Counts of the node. They continue after a change of the settings. */
  readonly counts: HookCounts;
  /** Called when a call has failed; for the log. */
  readonly onFailed: (event: HookEvent, failure: Error) => void;
  /** Called with the failure that has opened the breaker; for the log. */
  readonly onOpened: (failure: Error) => void;
  /** Called when the backend answers again. */
  readonly onClosed: () => void;
}

/**
 * Calls a vhost's backend about its clients' requests. When a call fails, times out or gets an invalid answer, `on_failure`
 * decides.
 *
 * Every queue is bounded (O6). While the breaker is open, requests are decided at once.
 */
export class Hooks {
  readonly #options: HooksOptions;
  readonly #gate: ConcurrencyLimit;
  readonly #breaker: CircuitBreaker;
  readonly #stopping = new AbortController();
  /** Calls in flight or waiting. */
  readonly #pending: Readonly<Record<Urgency, Set<Promise<unknown>>>> = { request: new Set(), notification: new Set() };
  /** Returns the decision on a request whose call fails. */
  #onFailure: () => OnFailure;
  #lastFailure: Error = new Error("no call has failed");

  constructor(options: HooksOptions) {
    this.#options = options;
    this.#onFailure = () => options.settings.on_failure;
    // Each call in flight or waiting adds one listener.
    setMaxListeners(0, this.#stopping.signal);
    this.#gate = new ConcurrencyLimit(options.settings.concurrency);
    this.#breaker = new CircuitBreaker(options.settings.breaker, options.clock, {
      onOpened: () => options.onOpened(this.#lastFailure),
      onClosed: () => options.onClosed(),
    });
  }

  /** Whether the hook is configured. The methods for a hook that is not configured allow everything. */
  isEnabled(event: HookEvent): boolean {
    return this.#options.settings.events.includes(event);
  }

  /** Whether the backend receives this optional part of a request. */
  forwards(part: HookForward): boolean {
    return this.#options.settings.forward.includes(part);
  }

  /** Returns the upgrade request for a join hook; undefined if the settings now forward less than at the upgrade. */
  upgradeAtJoin(upgrade: ForwardedUpgrade | undefined): ForwardedUpgrade | undefined {
    if (upgrade === undefined || !this.forwards("join")) return undefined;
    return upgrade.forwarded.every((part) => this.forwards(part)) ? upgrade : undefined;
  }

  get breakerState(): BreakerState {
    return this.#breaker.state;
  }

  /**
   * @throws HttpRefusal chosen by the backend
   * @throws CarillonError unavailable, resource_exhausted: the call failed
   */
  onConnect(request: ConnectHookRequest): Promise<HookChanges> {
    return this.#request("connect", (caller, signal) => caller.connect(request, signal), createHttpRefusal);
  }

  /**
   * @throws CarillonError with the backend's code and text; permission_denied where it names no valid code
   * @throws CarillonError unavailable, resource_exhausted: the call failed
   */
  async onJoin(request: JoinHookRequest): Promise<HookChanges> {
    const changes = await this.#request("join", (caller, signal) => caller.join(request, signal), createRefusal);
    return { ...changes, user: undefined };
  }

  /** @throws as onJoin does */
  async onPublish(request: PublishHookRequest): Promise<HookChanges> {
    const changes = await this.#request("publish", (caller, signal) => caller.publish(request, signal), createRefusal);
    return { ...changes, user: undefined };
  }

  /** Notifies the backend in the background, at most once. Never throws. */
  onDisconnect(details: DisconnectHookEvent): void {
    if (!this.isEnabled("disconnect")) return;
    this.#call("disconnect", (caller, signal) => caller.disconnect(details, signal)).then(
      () => this.#options.counts.count("disconnect", "allowed"),
      ({ outcome }: HookFailure) => this.#options.counts.count("disconnect", outcome),
    );
  }

  /** Resolves when no notification is in flight or waiting. */
  async drained(): Promise<void> {
    await waitUntilEmpty(this.#pending.notification);
  }

  /**
   * Stops when all pending calls have ended, after new settings have replaced these.
   * @param onFailure - returns the decision on a failed call from now on; undefined for that of the old settings
   */
  async retire(onFailure: () => OnFailure | undefined): Promise<void> {
    this.#onFailure = () => onFailure() ?? this.#options.settings.on_failure;
    await Promise.all([waitUntilEmpty(this.#pending.request), waitUntilEmpty(this.#pending.notification)]);
    this.stop();
  }

  /** Stops at once. Pending and later calls fail. */
  stop(): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#options.caller.close();
  }

  async #request<Refusal>(
    event: Exclude<HookEvent, "disconnect">,
    call: (caller: HookCaller, signal: AbortSignal) => Promise<Verdict<Refusal>>,
    toError: (refusal: Refusal) => Error,
  ): Promise<HookChanges> {
    if (!this.isEnabled(event)) return NO_CHANGES;
    const { counts } = this.#options;
    let answer: HookChanges | Error;
    try {
      answer = await this.#call(event, async (caller, signal) => {
        const verdict = await call(caller, signal);
        return "allow" in verdict ? checkChanges(verdict.allow) : createSafeRefusal(() => toError(verdict.refuse));
      });
    } catch (cause) {
      return this.#applyOnFailure(event, cause as HookFailure);
    }
    counts.count(event, answer instanceof Error ? "refused" : "allowed");
    if (answer instanceof Error) throw answer;
    return answer;
  }

  #applyOnFailure(event: HookEvent, { outcome }: HookFailure): HookChanges {
    this.#options.counts.count(event, outcome);
    if (this.#onFailure() === "allow") return NO_CHANGES;
    // The cause is for operators; the client learns only whether a retry may help.
    if (outcome === "overload") {
      throw new CarillonError("resource_exhausted", "the backend is overloaded: try again later");
    }
    throw new CarillonError("unavailable", "the backend did not answer");
  }

  /** @throws HookFailure */
  #call<T>(event: HookEvent, run: (caller: HookCaller, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { caller, clock, counts, settings } = this.#options;
    const begin = performance.now();
    const urgency: Urgency = event === "disconnect" ? "notification" : "request";
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
    const pending = this.#pending[urgency];
    const ended: Promise<T> = call
      .run((signal) => run(caller, signal))
      .finally(() => {
        pending.delete(ended);
        counts.addSeconds(event, (performance.now() - begin) / 1_000);
      });
    pending.add(ended);
    return ended;
  }
}

/** Creates the refusal's error, or a general one if it is invalid, because an invalid refusal must still refuse the client. */
function createSafeRefusal(make: () => Error): Error {
  try {
    return make();
  } catch (cause) {
    return new CarillonError("permission_denied", "refused by the backend", { cause });
  }
}

/** Resolves when the set is empty. Its promises remove themselves as they settle. */
async function waitUntilEmpty(pending: ReadonlySet<Promise<unknown>>): Promise<void> {
  while (pending.size > 0) await Promise.allSettled(pending);
}
