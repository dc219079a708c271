import { EXPRESSION, isExact } from "../../access/patterns/pattern.js";

/**
 * Puts the most specific pattern first: names; beginnings, the longest first; patterns of segments, the one with the most
 * that is fixed first; regular expressions; and `*`, which takes what nobody else does. Equal ones by name, so that all
 * nodes choose alike.
 */
export function bySpecificity(one: string, other: string): number {
  const [a, b] = [rankOf(one), rankOf(other)];
  if (a.kind !== b.kind) return a.kind - b.kind;
  if (a.fixed !== b.fixed) return b.fixed - a.fixed;
  return one < other ? -1 : Number(one > other);
}

const EXACT = 0;
const BEGINNING = 1;
const SEGMENTS = 2;
const REGULAR = 3;
const ALL = 4;

function rankOf(pattern: string): { readonly kind: number; readonly fixed: number } {
  if (pattern === "*") return { kind: ALL, fixed: 0 };
  if (pattern.startsWith(EXPRESSION)) return { kind: REGULAR, fixed: 0 };
  if (isExact(pattern)) return { kind: EXACT, fixed: pattern.length };
  const last = pattern.slice(pattern.lastIndexOf(".") + 1);
  if (last.length > 1 && last.endsWith("*")) return { kind: BEGINNING, fixed: pattern.length - 1 };
  return { kind: SEGMENTS, fixed: pattern.replace(/[*>]/g, "").length };
}
