import { CarillonError } from "../errors.js";
import { errorText } from "../util/native-error.js";
import { note } from "./terminal/note.js";

/** Exit codes of the process, for scripts. */
export const EXIT = {
  ok: 0,
  /** The server refused, or the command failed. */
  failed: 1,
  /** The command line or the configuration is invalid. */
  usage: 2,
  /** The server or the broker is unreachable; a retry may succeed. */
  unavailable: 3,
} as const;

/** Returns the exit code for an error. */
export function toExitCode(error: unknown): number {
  if (!(error instanceof CarillonError)) return EXIT.failed;
  return error.code === "unavailable" || error.code === "deadline_exceeded" ? EXIT.unavailable : EXIT.failed;
}

/** Prints an error to stderr and sets the exit code. */
export function fail(error: unknown, code = toExitCode(error)): void {
  note(errorText(error));
  process.exitCode = code;
}
