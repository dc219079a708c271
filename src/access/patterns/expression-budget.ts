import { CarillonError } from "../../errors.js";
import { weightProblem } from "./match-steps.js";
import { compilePattern, EXPRESSION } from "./pattern.js";

/** Weight of an invalid expression, which may take as long to compile as the largest valid one. */
const INVALID_WEIGHT = 1_000;

/**
 * Checks that the regular expressions within settings or lists of patterns can be compiled in one turn of the event loop.
 * Together they may weigh as much as the patterns of one key. Each distinct expression counts once. Compiles them until the
 * limit is exceeded.
 * @param value - JSON value; each string in it that begins with `re:` counts as an expression
 * @returns the reason to refuse them; undefined when they are within the limit
 */
export function findExpressionExcess(value: unknown): string | undefined {
  const seen = new Set<string>();
  let weight = 0;
  let invalid: string | undefined;
  for (const text of textsOf(value)) {
    if (!text.startsWith(EXPRESSION) || seen.has(text)) continue;
    seen.add(text);
    try {
      weight += compilePattern(text).weight;
    } catch (error) {
      invalid ??= CarillonError.from(error).message;
      weight += INVALID_WEIGHT;
    }
    const excess = weightProblem(weight);
    if (excess !== undefined) return invalid ?? excess;
  }
  return undefined;
}

function* textsOf(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null) for (const part of Object.values(value)) yield* textsOf(part);
}
