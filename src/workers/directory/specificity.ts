import { EXPRESSION, isExact } from "../../access/patterns/pattern.js";

/**
 * Compares patterns, the most specific first: names; prefixes, the longest first; patterns of segments, the one with the most
 * fixed characters first; regular expressions; and `*`, which gets the events that no other pattern matches. Equally specific
 * patterns are sorted by name, so that all nodes make the same choice.
 */
export function bySpecificity(one: string, other: string): number {
  const [a, b] = [rank(one), rank(other)];
  if (a.kind !== b.kind) return a.kind - b.kind;
  if (a.fixed !== b.fixed) return b.fixed - a.fixed;
  return one < other ? -1 : Number(one > other);
}

const EXACT = 0;
const PREFIX = 1;
const SEGMENTS = 2;
const REGULAR = 3;
const ALL = 4;

function rank(pattern: string): { readonly kind: number; readonly fixed: number } {
  if (pattern === "*") return { kind: ALL, fixed: 0 };
  if (pattern.startsWith(EXPRESSION)) return { kind: REGULAR, fixed: 0 };
  if (isExact(pattern)) return { kind: EXACT, fixed: pattern.length };
  const last = pattern.slice(pattern.lastIndexOf(".") + 1);
  if (last.length > 1 && last.endsWith("*")) return { kind: PREFIX, fixed: pattern.length - 1 };
  return { kind: SEGMENTS, fixed: pattern.replace(/[*>]/g, "").length };
}
