import { readFileSync } from "node:fs";

/** Formats the results of `jest --json --outputFile` as one line; undefined if jest wrote no file. */
export function tally(file) {
  let results;
  try {
    results = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
  // A test file that cannot be loaded has no failed tests, so it counts as one.
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  const skipped = results.numPendingTests + results.numTodoTests;
  return `${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped`;
}
