import { escapeNote } from "./print.js";

/** Prints a note to stderr, so that stdout has only messages. */
export function note(text: string): void {
  process.stderr.write(`carillon: ${escapeNote(text).replaceAll("\n", "\ncarillon: ")}\n`);
}
