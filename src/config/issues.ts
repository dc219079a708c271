import type { z } from "zod";
import { nearest } from "../util/nearest.js";
import { knownKeys } from "./keys.js";

/**
 * Faults of a configuration, one a line: where, and what is expected there.
 * @param within - where what was checked stands in the whole configuration, for the names of known keys
 */
export function describeIssues(error: z.ZodError, within: readonly string[] = []): string {
  return error.issues.flatMap((issue) => lines(issue, within)).join("\n");
}

function lines(issue: z.core.$ZodIssue, within: readonly PropertyKey[]): string[] {
  const path = [...within, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(path);
    return issue.keys.map((key) => {
      const guess = nearest(key, known);
      const hint = guess === undefined ? `; known: ${known.join(", ")}` : `; did you mean ${guess}?`;
      return `${[...path, key].join(".")}: unknown key${hint}`;
    });
  }
  if (issue.code === "invalid_union") {
    const [closest = []] = issue.errors.toSorted((a, b) => depth(b) - depth(a));
    if (depth(closest) > 0) return closest.flatMap((inner) => lines(inner, path));
  }
  return [`${path.join(".") || "configuration"}: ${issue.message}`];
}

/** How far into a value an alternative was found to fit. */
function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(({ code, path }) => path.length + (code === "unrecognized_keys" ? 1 : 0)));
}
