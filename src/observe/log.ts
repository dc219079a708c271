import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";

export interface LogOptions {
  readonly level: string;
  /** pretty, json, or auto: pretty on a terminal. */
  readonly format: "auto" | "pretty" | "json";
}

/** Log records on stdout: lines for people on a terminal, JSON for programs. */
export function createLog({ format, level }: LogOptions): Logger {
  const forPeople = format === "pretty" || (format === "auto" && process.stdout.isTTY);
  const options = { level, base: { name: "carillon" }, timestamp: pino.stdTimeFunctions.isoTime };
  if (!forPeople) return pino(options, pino.destination({ fd: 1, sync: true }));
  return pino(options, pretty({ sync: true, ignore: "name,pid,hostname", translateTime: "SYS:HH:MM:ss" }));
}
