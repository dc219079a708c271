import { ReportLimiter, type ReportLimiterOptions } from "../util/report-limiter.js";
import type { Logger } from "./log.js";

type Fields = Readonly<Record<string, unknown>>;

/**
 * The log for what input from outside can cause: 10 records of a kind a minute, and one that counts the others. A kind is
 * the record's text where that is constant.
 */
export class LimitedLog {
  readonly #log: Logger;
  readonly #limiter: ReportLimiter;

  constructor(log: Logger, clock: ReportLimiterOptions["clock"]) {
    this.#log = log;
    this.#limiter = new ReportLimiter({
      clock,
      onOmitted: (kind, count) => {
        log.warn({ kind, count }, "further records of this kind were left out");
      },
    });
  }

  warn(fields: Fields, text: string): void {
    this.#limiter.report(text, () => {
      this.#log.warn(fields, text);
    });
  }

  /** @param kind - one of a fixed set */
  error(fields: Fields, text: string, kind = text): void {
    this.#limiter.report(kind, () => {
      this.#log.error(fields, text);
    });
  }

  /** Writes what was left out. */
  stop(): void {
    this.#limiter.stop();
  }
}
