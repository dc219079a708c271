/** Prints a note to stderr, so that stdout has only messages. */
export function note(text: string): void {
  process.stderr.write(`carillon: ${text}\n`);
}
