import { CarillonError } from "../errors.js";
import { errorText } from "../util/native-error.js";

/** What the process ends with, so that scripts can tell. */
export const EXIT = {
  ok: 0,
  /** The server refused, or something failed. */
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** The server or the broker cannot be reached: trying again later may help. */
  unavailable: 3,
} as const;

/** The exit code that says what went wrong. */
export function toExitCode(error: unknown): number {
  if (!(error instanceof CarillonError)) return EXIT.failed;
  return error.code === "unavailable" || error.code === "deadline_exceeded" ? EXIT.unavailable : EXIT.failed;
}

/** Tells on stderr what went wrong and sets the exit code. */
export function fail(error: unknown, code = toExitCode(error)): void {
  const text = errorText(error);
  process.stderr.write(`carillon: ${text.replaceAll("\n", "\ncarillon: ")}\n`);
  process.exitCode = code;
}
