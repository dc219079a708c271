/** Maximum nesting depth. Protobuf parsers accept messages nested 100 deep, and each level of a `Struct` takes three. */
const MAX_DEPTH = 30;

/**
 * Finds the reason for which a value cannot be represented in JSON and as a `google.protobuf.Struct`, as a predicate that
 * follows the value's name; undefined when it can.
 */
export function findJsonProblem(value: unknown, depth = 0): string | undefined {
  if (typeof value === "number")
    return Number.isFinite(value) ? undefined : "contains a number that JSON cannot represent";
  if (typeof value === "string")
    return LONE_SURROGATE.test(value) ? "contains text that is not valid Unicode" : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  if (depth === MAX_DEPTH) return "is nested too deeply";
  for (const [name, member] of Object.entries(value)) {
    const problem = findJsonProblem(name) ?? findJsonProblem(member, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const LONE_SURROGATE = /\p{Surrogate}/u;
