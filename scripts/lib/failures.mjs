import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { root } from "./paths.mjs";

// Jest's title over the message of a file: "● Test suite failed to run".
const HEADING = /^.*●.*$/m;

/** Reads the failures, `{ test, message }`, from a file of `jest --json --outputFile`. Undefined without a file. */
export function readFailures(file) {
  let results;
  try {
    results = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
  return results.testResults.flatMap(({ assertionResults, message, name, status }) => {
    const path = relative(root, name);
    const failed = assertionResults.filter((test) => test.status === "failed");
    // A file that cannot be loaded, or whose `afterAll` throws, has no failed test of its own.
    if (failed.length === 0 && status === "failed") return [failure(path, message.replace(HEADING, ""))];
    return failed.map((test) => failure(`${path} › ${test.fullName}`, test.failureMessages.join("\n")));
  });
}

function failure(test, message) {
  return { test, message: stripVTControlCharacters(message).trim() };
}
