import { findNearest } from "../util/find-nearest.js";
import type { z } from "./schema-builder.js";

/** Context for describing problems. */
export interface IssueContext {
  /** Known keys at a path of the configuration. */
  readonly knownKeys: (path: readonly PropertyKey[]) => readonly string[];
  /** Path of the checked value within the configuration; default: the whole configuration was checked. */
  readonly within?: readonly PropertyKey[];
}

/** Describes the problems of a configuration, one on each line: the path, and what is expected. */
export function describeIssues(error: z.ZodError, context: IssueContext): string {
  return error.issues.flatMap((issue) => describeIssue(issue, context)).join("\n");
}

function describeIssue(issue: z.core.$ZodIssue, { knownKeys, within = [] }: IssueContext): string[] {
  const path = [...within, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(path);
    return issue.keys.map((key) => `${[...path, key].join(".")}: unknown key; ${adviseOn(key, known)}`);
  }
  if (issue.code === "invalid_union") {
    const [closest = []] = issue.errors.toSorted((a, b) => depth(b) - depth(a));
    if (depth(closest) > 0) return closest.flatMap((inner) => describeIssue(inner, { knownKeys, within: path }));
  }
  // The library's message does not say what a key should be.
  const message = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return [`${path.join(".") || "configuration"}: ${message}`];
}

/** Advises on an unknown key. @param known - keys that are allowed in its place */
function adviseOn(key: string, known: readonly string[]): string {
  const [outer = "", ...inner] = key.split(".");
  // The documentation names settings by their paths, such as grpc.server.
  if (inner.length > 0 && known.includes(outer)) {
    return `write ${outer}: ${inner.reduceRight((value, name) => `{ ${name}: ${value} }`, "…")}`;
  }
  const guess = findNearest(key, known);
  return guess === undefined ? `known: ${known.join(", ")}` : `did you mean ${guess}?`;
}

/** Returns the depth to which an alternative of a union matches a value. */
function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(({ code, path }) => path.length + (code === "unrecognized_keys" ? 1 : 0)));
}
