import { ReportLimiter, type ReportLimiterOptions } from "../util/report-limiter.js";
import type { Logger } from "./log.js";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Log for events that external input can cause. Writes at most 10 records of a kind per minute, and one that counts the
 * omitted ones. The kind is the record's text unless given.
 */
export class LimitedLog {
  readonly #log: Logger;
  readonly #limiter: ReportLimiter;

  constructor(log: Logger, clock: ReportLimiterOptions["clock"]) {
    this.#log = log;
    this.#limiter = new ReportLimiter({
      clock,
      onOmitted: (kind, count) => {
        log.warn({ kind, count }, "further records of this kind omitted");
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

  /** Logs the counts of omitted records. */
  stop(): void {
    this.#limiter.stop();
  }
}
