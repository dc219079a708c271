import { CarillonError } from "../../errors.js";
import { LruMap } from "../../util/lru-map.js";
import { compileExpression } from "./expression.js";

/** A compiled pattern. */
export interface Matcher {
  (name: string): boolean;
  /** Maximum number of steps for one byte of a name: the size of a regular expression; at most 2 for other patterns. */
  readonly weight: number;
  /** Text that every matching name begins with; "" where none is known, as for regular expressions. */
  readonly prefix: string;
}

/** Maximum length of a pattern other than a regular expression, in bytes of UTF-8; equal to that of a name. */
export const MAX_PATTERN_BYTES = 255;

/** Prefix of a regular expression. */
export const EXPRESSION = "re:";

/** Compiled patterns by text, shared by sessions. */
const compiled = new LruMap<string, Matcher>(10_000);
/** Compiled large expressions by text. Few are cached, because each takes up to 200 KB. */
const largeExpressions = new LruMap<string, Matcher>(200);
/**
 * Compiled small expressions by text, each of up to 20 KB. The cache holds as many as settings may have (rule A15), so that
 * each is compiled once.
 */
const smallExpressions = new LruMap<string, Matcher>(1_000);
/** Maximum weight of a small expression. */
const SMALL = 100;

/** Whether a pattern is a plain name. */
export function isExact(pattern: string): boolean {
  return !pattern.includes("*") && !pattern.includes(">") && !pattern.startsWith(EXPRESSION);
}

/**
 * Compiles a pattern. Permissions, topic rules and the topics of keys share this syntax.
 *
 * - `news`: this name.
 * - `*`: every name.
 * - `chat-*`, a star at the end of the last segment: names with this prefix.
 * - `orders.*.paid`, a star alone between dots: exactly one segment of at least one character.
 * - `orders.>`, at the end: one segment or more.
 * - `re:chat-[0-9]+`: names that the regular expression (RE2) matches as a whole.
 *
 * @throws CarillonError invalid_argument
 */
export function compilePattern(pattern: string): Matcher {
  try {
    return getMatcher(pattern);
  } catch (error) {
    const shown = pattern.length > 100 ? `${pattern.slice(0, 100)}…` : pattern;
    throw new CarillonError("invalid_argument", `pattern ${JSON.stringify(shown)}: ${(error as Error).message}`);
  }
}

/**
 * Adds up the weights of the patterns that are not plain names.
 * @param limit - sum above which to stop, because compiling takes time
 * @throws CarillonError invalid_argument: an invalid pattern
 */
export function patternWeight(patterns: Iterable<string>, limit = Number.POSITIVE_INFINITY): number {
  let weight = 0;
  for (const pattern of patterns) {
    const matcher = compilePattern(pattern);
    if (!isExact(pattern)) weight += matcher.weight;
    if (weight > limit) break;
  }
  return weight;
}

/** Returns the reason why a pattern is invalid; undefined for a valid one. */
export function patternProblem(pattern: string): string | undefined {
  try {
    getMatcher(pattern);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function getMatcher(pattern: string): Matcher {
  if (isExact(pattern)) {
    throwProblem(nameProblem(pattern));
    return createMatcher((name) => name === pattern, TEXT_WEIGHT, pattern);
  }
  let matcher = compiled.get(pattern) ?? smallExpressions.get(pattern) ?? largeExpressions.get(pattern);
  if (matcher === undefined) {
    matcher = pattern.startsWith(EXPRESSION) ? compileRegularExpression(pattern) : compile(pattern);
    cacheFor(pattern, matcher).set(pattern, matcher);
  }
  return matcher;
}

function cacheFor(pattern: string, { weight }: Matcher): LruMap<string, Matcher> {
  if (!pattern.startsWith(EXPRESSION)) return compiled;
  return weight > SMALL ? largeExpressions : smallExpressions;
}

function throwProblem(problem: string | undefined): void {
  if (problem !== undefined) throw new Error(problem);
}

function compile(pattern: string): Matcher {
  throwProblem(nameProblem(pattern) ?? wildcardProblem(pattern));
  if (pattern === "*") return createMatcher(() => true, TEXT_WEIGHT, "");
  const segments = pattern.split(".");
  const last = segments.at(-1) ?? "";
  if (last.length > 1 && last.endsWith("*")) {
    const beginning = pattern.slice(0, -1);
    return createMatcher((name) => name.startsWith(beginning), TEXT_WEIGHT, beginning);
  }
  return createMatcher(segmentsMatcher(segments), SEGMENTS_WEIGHT, pattern.slice(0, pattern.search(/[*>]/)));
}

/** Weights of a pattern that compares text as a whole, and of one that compares segments. */
const TEXT_WEIGHT = 1 / 16;
const SEGMENTS_WEIGHT = 2;

function compileRegularExpression(pattern: string): Matcher {
  const { matches, size } = compileExpression(pattern.slice(EXPRESSION.length));
  return createMatcher(matches, size, "");
}

function createMatcher(matches: (name: string) => boolean, weight: number, prefix: string): Matcher {
  return Object.assign(matches, { weight, prefix });
}

function nameProblem(pattern: string): string | undefined {
  if (pattern === "") return "is empty";
  if (Buffer.byteLength(pattern) > MAX_PATTERN_BYTES) return `is longer than ${MAX_PATTERN_BYTES} bytes`;
  if (/[\p{White_Space}\p{Cc}]/u.test(pattern)) return "contains whitespace or a control character";
  return undefined;
}

function wildcardProblem(pattern: string): string | undefined {
  const segments = pattern.split(".");
  const last = segments.length - 1;
  for (const [position, segment] of segments.entries()) {
    if (segment === "*" || !/[*>]/.test(segment)) continue;
    if (segment === ">" && position === last && position > 0) continue;
    if (segment.includes(">")) return 'a ">" is allowed only at the end, after a dot, as in orders.>';
    if (position < last || segment.indexOf("*") < segment.length - 1) {
      return 'a "*" is allowed only at the end or as a whole segment, as in chat-* or orders.*';
    }
    if (segments.includes("*")) return 'a "*" as a whole segment cannot be combined with one at the end of a segment';
  }
  return undefined;
}

/** Matches segment by segment without allocating, and stops at the first difference. */
function segmentsMatcher(pattern: readonly string[]): (name: string) => boolean {
  const open = pattern.at(-1) === ">";
  const fixed = open ? pattern.slice(0, -1) : pattern;
  return (name) => {
    let from = 0;
    for (const [position, segment] of fixed.entries()) {
      const dot = name.indexOf(".", from);
      const isLast = !open && position === fixed.length - 1;
      if (isLast !== dot < 0) return false;
      const end = dot < 0 ? name.length : dot;
      if (segment === "*" ? end === from : end - from !== segment.length || !name.startsWith(segment, from)) {
        return false;
      }
      from = end + 1;
    }
    return !open || hasSegmentsFrom(name, from);
  };
}

/** Whether the rest of the name is one or more non-empty segments. */
function hasSegmentsFrom(name: string, from: number): boolean {
  return from < name.length && name[from] !== "." && !name.endsWith(".") && !name.includes("..", from);
}
