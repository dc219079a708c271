import { CarillonError } from "../errors.js";
import { compileExpression } from "./expression.js";
import { RecentMap } from "./recent-map.js";

export type Matcher = (name: string) => boolean;

/** Longest pattern that is no regular expression, in bytes of UTF-8; as long as names may be. */
export const MAX_PATTERN_BYTES = 255;

/** Begins a regular expression. */
export const EXPRESSION = "re:";

/** Compiled patterns by their text: sessions of the same kind share one. */
const compiled = new RecentMap<string, Matcher>(10_000);
/** Fewer: each keeps what it has worked out, 14 MB at the very worst. */
const compiledExpressions = new RecentMap<string, Matcher>(200);

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
    return (name) => name === pattern;
  }
  const cache = pattern.startsWith(EXPRESSION) ? compiledExpressions : compiled;
  let matcher = cache.get(pattern);
  if (matcher === undefined) {
    matcher = pattern.startsWith(EXPRESSION) ? compileExpression(pattern.slice(EXPRESSION.length)) : compile(pattern);
    cache.set(pattern, matcher);
  }
  return matcher;
}

function refuse(fault: string | undefined): void {
  if (fault !== undefined) throw new Error(fault);
}

function compile(pattern: string): Matcher {
  refuse(nameFault(pattern) ?? wildcardFault(pattern));
  if (pattern === "*") return () => true;
  const segments = pattern.split(".");
  const last = segments.at(-1) ?? "";
  if (last.length > 1 && last.endsWith("*")) {
    const beginning = pattern.slice(0, -1);
    return (name) => name.startsWith(beginning);
  }
  return segmentsMatcher(segments);
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

function segmentsMatcher(pattern: readonly string[]): Matcher {
  const open = pattern.at(-1) === ">";
  const fixed = open ? pattern.slice(0, -1) : pattern;
  return (name) => {
    const segments = name.split(".");
    if (open ? segments.length <= fixed.length : segments.length !== fixed.length) return false;
    if (open && segments.slice(fixed.length).includes("")) return false;
    return fixed.every((segment, position) =>
      segment === "*" ? segments[position] !== "" : segment === segments[position],
    );
  };
}
