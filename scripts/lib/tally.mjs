import { readFileSync } from "node:fs";

/** One plain line from a file that `jest --json --outputFile` wrote; undefined if jest ended before it wrote one. */
export function tally(file) {
  let results;
  try {
    results = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
  // A test file that could not even be loaded has no failed tests of its own: it counts as one.
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  const skipped = results.numPendingTests + results.numTodoTests;
  return `${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped`;
}
