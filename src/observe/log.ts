import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";

export interface LogOptions {
  readonly level: string;
  /** pretty, json, or auto: pretty on a terminal. */
  readonly format: "auto" | "pretty" | "json";
  /** Takes JSON records, one line each; stdout when left out. */
  readonly write?: (line: string) => void;
}

/** Log records: lines for people on a terminal, JSON with levels as words for programs. */
export function createLog({ format, level, write }: LogOptions): Logger {
  const forPeople = format === "pretty" || (format === "auto" && process.stdout.isTTY);
  const options = { level, base: { name: "carillon" }, timestamp: pino.stdTimeFunctions.isoTime };
  if (forPeople)
    return pino(options, pretty({ sync: true, ignore: "name,pid,hostname", translateTime: "SYS:HH:MM:ss" }));
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ ...options, formatters }, write === undefined ? pino.destination({ fd: 1, sync: true }) : { write });
}
