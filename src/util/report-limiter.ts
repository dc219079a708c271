import type { systemClock } from "./system-clock.js";

/** Reports of one kind that are written in a period. */
const BURST = 10;
/** Length of a period, in milliseconds. It begins with the first report of a kind. */
const PERIOD = 60_000;

export interface ReportLimiterOptions {
  readonly clock: Pick<typeof systemClock, "after">;
  /** Reports of one kind that are written in a period of 60 s; 10 by default. */
  readonly burst?: number;
  /** Told at the end of a period how many reports of a kind were left out, if any. */
  readonly onOmitted: (kind: string, count: number) => void;
}

interface Period {
  written: number;
  omitted: number;
  readonly cancel: () => void;
}

/**
 * Bounds how often the same kind of thing is reported, so that input from outside cannot fill a log. Kinds are a fixed
 * set: each one in use takes a timer.
 */
export class ReportLimiter {
  readonly #options: ReportLimiterOptions;
  readonly #periods = new Map<string, Period>();

  constructor(options: ReportLimiterOptions) {
    this.#options = options;
  }

  /** Calls `write`, or counts where as many of the kind have been written as may be. */
  report(kind: string, write: () => void): void {
    const period = this.#periods.get(kind) ?? this.#begin(kind);
    if (period.written >= (this.#options.burst ?? BURST)) {
      period.omitted += 1;
      return;
    }
    period.written += 1;
    write();
  }

  /** Ends all periods, and tells what was left out. */
  stop(): void {
    for (const kind of this.#periods.keys()) this.#end(kind);
  }

  #begin(kind: string): Period {
    const cancel = this.#options.clock.after(PERIOD, () => {
      this.#end(kind);
    });
    const period = { written: 0, omitted: 0, cancel };
    this.#periods.set(kind, period);
    return period;
  }

  #end(kind: string): void {
    const period = this.#periods.get(kind);
    if (period === undefined) return;
    period.cancel();
    this.#periods.delete(kind);
    if (period.omitted > 0) this.#options.onOmitted(kind, period.omitted);
  }
}
