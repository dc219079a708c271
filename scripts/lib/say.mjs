import { constants } from "node:os";

/** A failure that the person at the terminal can do something about: shown as its message, without a stack. */
export class SetupError extends Error {}

/** A signal asked for the end. Thrown, so that every step on the way out still gives back its locks and files. */
export class Stopped extends Error {
  constructor(signal) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** Progress goes to stderr, so that stdout stays free for what a command was asked for. */
export function say(line) {
  process.stderr.write(`carillon: ${line}\n`);
}
