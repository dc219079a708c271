import { HOOK_EVENTS, type HookEvent } from "./hook-caller.js";

/**
 * What became of a call. Beside the backend's two answers: it failed or could not be understood, was late, was not made
 * because the breaker is open, or because too many wait.
 */
export const HOOK_OUTCOMES = ["allowed", "refused", "failed", "late", "breaker_open", "overload"] as const;

export type HookOutcome = (typeof HOOK_OUTCOMES)[number];

/** The node's calls of backends, as plain numbers that are read when somebody asks for metrics. */
export class HookCounts {
  readonly #calls = new Map<string, number>();
  readonly #seconds = new Map<HookEvent, number>(HOOK_EVENTS.map((event) => [event, 0]));

  count(event: HookEvent, outcome: HookOutcome): void {
    const key = `${event} ${outcome}`;
    this.#calls.set(key, (this.#calls.get(key) ?? 0) + 1);
  }

  addSeconds(event: HookEvent, seconds: number): void {
    this.#seconds.set(event, (this.#seconds.get(event) ?? 0) + seconds);
  }

  calls(event: HookEvent, outcome: HookOutcome): number {
    return this.#calls.get(`${event} ${outcome}`) ?? 0;
  }

  /** Seconds that were waited for answers, in all, by hook. */
  seconds(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#seconds);
  }

  /** For a metric with two labels: every hook with every outcome that has happened. */
  *all(): Generator<{ readonly hook: HookEvent; readonly outcome: HookOutcome; readonly calls: number }> {
    for (const hook of HOOK_EVENTS) {
      for (const outcome of HOOK_OUTCOMES) {
        const calls = this.calls(hook, outcome);
        if (calls > 0) yield { hook, outcome, calls };
      }
    }
  }
}
