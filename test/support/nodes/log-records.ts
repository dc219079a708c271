import { createLog, type Logger, type LogOptions } from "../../../src/observe/log.js";

export interface LogRecord {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A node's log, kept by the test. */
export interface TestLog {
  readonly log: Logger;
  readonly records: readonly LogRecord[];
  /** Records of these levels. */
  readonly of: (...levels: readonly string[]) => readonly LogRecord[];
}

export function recordLog(level: LogOptions["level"] = "debug"): TestLog {
  const records: LogRecord[] = [];
  const log = createLog({
    level,
    format: "json",
    write: (line) => {
      records.push(JSON.parse(line) as LogRecord);
    },
  });
  return { log, records, of: (...levels) => records.filter((record) => levels.includes(record.level)) };
}
