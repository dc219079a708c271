import { HOOK_EVENTS, type HookEvent } from "./hook-caller.js";

/**
 * Outcomes of a hook call. `allowed` and `refused` are the backend's answers. `failed` is an error or an invalid answer, and
 * `late` a timeout. The other calls were not made: `breaker_open`, or `overload` because the queue was full.
 */
export const HOOK_OUTCOMES = ["allowed", "refused", "failed", "late", "breaker_open", "overload"] as const;

export type HookOutcome = (typeof HOOK_OUTCOMES)[number];

/** Counts this node's hook calls, for its metrics. */
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

  /** Total seconds spent waiting for answers, by hook. */
  seconds(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#seconds);
  }

  /** Yields a count for every hook and outcome that has happened. */
  *all(): Generator<{ readonly hook: HookEvent; readonly outcome: HookOutcome; readonly calls: number }> {
    for (const hook of HOOK_EVENTS) {
      for (const outcome of HOOK_OUTCOMES) {
        const calls = this.calls(hook, outcome);
        if (calls > 0) yield { hook, outcome, calls };
      }
    }
  }
}
