import type { systemClock } from "./system-clock.js";

/** Default maximum number of reports of one kind in a period. */
const BURST = 10;
/** Length of a period, in milliseconds. A period begins with the first report of a kind. */
const PERIOD = 60_000;

export interface ReportLimiterOptions {
  readonly clock: Pick<typeof systemClock, "after">;
  /** Maximum number of reports of one kind in a period of 60 s. Default: 10. */
  readonly burst?: number;
  /** Called at the end of a period with the number of omitted reports of a kind, if any. */
  readonly onOmitted: (kind: string, count: number) => void;
}

interface Period {
  written: number;
  omitted: number;
  readonly cancel: () => void;
}

/**
 * Bounds the rate of reports of each kind, so that external input cannot fill a log. Kinds are a fixed set, because each
 * active kind has a timer.
 */
export class ReportLimiter {
  readonly #options: ReportLimiterOptions;
  readonly #periods = new Map<string, Period>();

  constructor(options: ReportLimiterOptions) {
    this.#options = options;
  }

  /** Calls `write`, or counts the report as omitted when the period's maximum is reached. */
  report(kind: string, write: () => void): void {
    const period = this.#periods.get(kind) ?? this.#begin(kind);
    if (period.written >= (this.#options.burst ?? BURST)) {
      period.omitted += 1;
      return;
    }
    period.written += 1;
    write();
  }

  /** Ends all periods, and reports the omitted counts. */
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
