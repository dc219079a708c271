import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";

export interface LogOptions {
  readonly level: string;
  /** Format of records; auto: pretty on a terminal, else json. */
  readonly format: "auto" | "pretty" | "json";
  /** Fields of every record. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Receives JSON records, one line each. Default: standard output. */
  readonly write?: (line: string) => void;
}

/** Creates the log: readable lines on a terminal, JSON with level names otherwise. */
export function createLog({ fields, format, level, write }: LogOptions): Logger {
  const isPretty = format === "pretty" || (format === "auto" && process.stdout.isTTY);
  const options = { level, base: { name: "carillon", ...fields }, timestamp: pino.stdTimeFunctions.isoTime };
  if (isPretty)
    return pino(options, pretty({ sync: true, ignore: "name,pid,hostname", translateTime: "SYS:HH:MM:ss" }));
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ ...options, formatters }, write === undefined ? pino.destination({ fd: 1, sync: true }) : { write });
}
