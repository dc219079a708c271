import { findNearest } from "../util/find-nearest.js";
import type { z } from "./schema-builder.js";

/** Where faults are found. */
export interface IssueContext {
  /** Keys that may stand at a place in the configuration. */
  readonly knownKeys: (path: readonly PropertyKey[]) => readonly string[];
  /** Place of what was checked in the whole configuration. */
  readonly within?: readonly PropertyKey[];
}

/** Describes the faults of a configuration, one a line: where, and what is expected there. */
export function describeIssues(error: z.ZodError, context: IssueContext): string {
  return error.issues.flatMap((issue) => describeIssue(issue, context)).join("\n");
}

function describeIssue(issue: z.core.$ZodIssue, { knownKeys, within = [] }: IssueContext): string[] {
  const path = [...within, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(path);
    return issue.keys.map((key) => {
      const guess = findNearest(key, known);
      const hint = guess === undefined ? `; known: ${known.join(", ")}` : `; did you mean ${guess}?`;
      return `${[...path, key].join(".")}: unknown key${hint}`;
    });
  }
  if (issue.code === "invalid_union") {
    const [closest = []] = issue.errors.toSorted((a, b) => depth(b) - depth(a));
    if (depth(closest) > 0) return closest.flatMap((inner) => describeIssue(inner, { knownKeys, within: path }));
  }
  return [`${path.join(".") || "configuration"}: ${issue.message}`];
}

/** How far into a value one of several alternatives fits. */
function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(({ code, path }) => path.length + (code === "unrecognized_keys" ? 1 : 0)));
}
