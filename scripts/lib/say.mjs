import { constants } from "node:os";

/** Failure that the user can fix: shown as its message, without a stack. */
export class SetupError extends Error {}

/** Thrown when a signal stops the script, so that every step releases its locks and files. */
export class Stopped extends Error {
  constructor(signal) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** Prints progress to stderr, so that stdout carries only the command's output. */
export function say(line) {
  process.stderr.write(`carillon: ${line}\n`);
}
