import { CarillonError } from "../../errors.js";
import { LruMap } from "../../util/lru-map.js";
import { compileExpression } from "./expression.js";

/** A pattern, ready to match. */
export interface Matcher {
  (name: string): boolean;
  /** Steps that one byte of a name takes at most: an expression's instructions, and less than 3 for any other pattern. */
  readonly weight: number;
}

/** Longest pattern that is no regular expression, in bytes of UTF-8; as long as names may be. */
export const MAX_PATTERN_BYTES = 255;

/** Begins a regular expression. */
export const EXPRESSION = "re:";

/** Compiled patterns by their text: sessions of the same kind share one. */
const compiled = new LruMap<string, Matcher>(10_000);
/** Fewer: the program of each takes up to 200 KB. */
const compiledExpressions = new LruMap<string, Matcher>(200);

/** Whether a pattern means one name only: itself. */
export function isExact(pattern: string): boolean {
  return !pattern.includes("*") && !pattern.includes(">") && !pattern.startsWith(EXPRESSION);
}

/**
 * Reads a pattern of names. One language everywhere: permissions, topic rules, scopes of keys.
 *
 * - `news`: this name.
 * - `*`: every name.
 * - `chat-*`, a star after other characters of the last segment: names that begin so.
 * - `orders.*.paid`, a star alone between dots: exactly one segment, of one character or more.
 * - `orders.>`, at the end: one segment or more.
 * - `re:chat-[0-9]+`: names that the regular expression (RE2) matches as a whole.
 *
 * @throws CarillonError invalid_argument
 */
export function compilePattern(pattern: string): Matcher {
  try {
    return matcherOf(pattern);
  } catch (error) {
    const shown = pattern.length > 100 ? `${pattern.slice(0, 100)}…` : pattern;
    throw new CarillonError("invalid_argument", `pattern ${JSON.stringify(shown)}: ${(error as Error).message}`);
  }
}

/**
 * Weight of the patterns that are not plain names.
 * @param most - those that come when it is exceeded are not looked at: compiling them takes time
 * @throws CarillonError invalid_argument: one that cannot be read
 */
export function patternWeight(patterns: Iterable<string>, most = Number.POSITIVE_INFINITY): number {
  let weight = 0;
  for (const pattern of patterns) {
    const matcher = compilePattern(pattern);
    if (!isExact(pattern)) weight += matcher.weight;
    if (weight > most) break;
  }
  return weight;
}

/** What is wrong with a pattern; undefined for a good one. */
export function patternFault(pattern: string): string | undefined {
  try {
    matcherOf(pattern);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function matcherOf(pattern: string): Matcher {
  if (isExact(pattern)) {
    refuse(nameFault(pattern));
    return withWeight((name) => name === pattern, LIGHT);
  }
  const cache = pattern.startsWith(EXPRESSION) ? compiledExpressions : compiled;
  let matcher = cache.get(pattern);
  if (matcher === undefined) {
    matcher = pattern.startsWith(EXPRESSION) ? compileRegular(pattern) : compile(pattern);
    cache.set(pattern, matcher);
  }
  return matcher;
}

function refuse(fault: string | undefined): void {
  if (fault !== undefined) throw new Error(fault);
}

function compile(pattern: string): Matcher {
  refuse(nameFault(pattern) ?? wildcardFault(pattern));
  if (pattern === "*") return withWeight(() => true, LIGHT);
  const segments = pattern.split(".");
  const last = segments.at(-1) ?? "";
  if (last.length > 1 && last.endsWith("*")) {
    const beginning = pattern.slice(0, -1);
    return withWeight((name) => name.startsWith(beginning), LIGHT);
  }
  return withWeight(segmentsMatcher(segments), SEGMENTS);
}

/** Weights of patterns that compare text. */
const LIGHT = 1 / 16;
const SEGMENTS = 2;

function compileRegular(pattern: string): Matcher {
  const { matches, size } = compileExpression(pattern.slice(EXPRESSION.length));
  return withWeight(matches, size);
}

function withWeight(matches: (name: string) => boolean, weight: number): Matcher {
  return Object.assign(matches, { weight });
}

function nameFault(pattern: string): string | undefined {
  if (pattern === "") return "is empty";
  if (Buffer.byteLength(pattern) > MAX_PATTERN_BYTES) return `is longer than ${MAX_PATTERN_BYTES} bytes`;
  if (/[\p{White_Space}\p{Cc}]/u.test(pattern)) return "holds white space or a control character";
  return undefined;
}

function wildcardFault(pattern: string): string | undefined {
  const segments = pattern.split(".");
  const last = segments.length - 1;
  for (const [position, segment] of segments.entries()) {
    if (segment === "*" || !/[*>]/.test(segment)) continue;
    if (segment === ">" && position === last && position > 0) continue;
    if (segment.includes(">")) return 'a ">" may stand at the end after a dot only, such as orders.>';
    if (position < last || segment.indexOf("*") < segment.length - 1) {
      return 'a "*" may stand at the end or for a whole segment only, such as chat-* or orders.*';
    }
    if (segments.includes("*")) return 'a "*" for a segment cannot be together with one for any ending';
  }
  return undefined;
}

/** Walks along the name: nothing is allocated, and the first segment that differs ends it. */
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

/** Whether one segment or more begins there, none of them empty. */
function hasSegmentsFrom(name: string, from: number): boolean {
  return from < name.length && name[from] !== "." && !name.endsWith(".") && !name.includes("..", from);
}
