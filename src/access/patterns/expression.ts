import { RE2JS } from "re2js";
import { errorText } from "../../util/native-error.js";

/** Longest regular expression, in bytes of UTF-8. */
export const MAX_EXPRESSION_BYTES = 1_024;

/** Largest program of an expression, in instructions. */
const MAX_PROGRAM = 1_000;

/** Instructions that a Unicode class such as `\p{L}` counts as: compiling one takes as long as compiling so many. */
const UNICODE_CLASS = 10;

/** A regular expression, ready to match. */
export interface Expression {
  /** Instructions of the program, Unicode classes weighed by what they cost to compile. */
  readonly size: number;
  readonly matches: (name: string) => boolean;
}

/**
 * Compiles a regular expression in RE2's syntax. A match takes at most `size` steps for each byte of the name, and must
 * cover the whole name.
 *
 * The matcher is asked for a match with its position: so it simulates the program, in 3 to 20 ns a step. The engine's own
 * yes-or-no test builds an automaton instead, which takes 130 ns a step where every name is new, and up to 8 MiB for each
 * expression.
 *
 * @throws Error naming what is wrong with it
 */
export function compileExpression(expression: string): Expression {
  if (expression === "") throw new Error("the expression is empty");
  if (Buffer.byteLength(expression) > MAX_EXPRESSION_BYTES) {
    throw new Error(`the expression is longer than ${MAX_EXPRESSION_BYTES} bytes`);
  }
  const classes = (expression.match(/\\p/gi)?.length ?? 0) * UNICODE_CLASS;
  // Before compiling: a program of millions of instructions takes seconds to make.
  if (classes > MAX_PROGRAM || estimate(expression) > 4 * MAX_PROGRAM) throw new Error(TOO_LARGE);
  const compiled = compile(expression);
  const size = compiled.programSize() + classes;
  if (size > MAX_PROGRAM) throw new Error(TOO_LARGE);
  return { size, matches: (name) => compiled.matcher(name).matches() };
}

const TOO_LARGE = "the expression is too large: it repeats too much";

function compile(expression: string): RE2JS {
  try {
    return RE2JS.compile(expression);
  } catch (cause) {
    const text = errorText(cause);
    throw new Error(text.replace("error parsing regexp: ", "the expression cannot be read: "), { cause });
  }
}

/** A class in brackets (a `]` that comes first is part of it), an escaped character, a repetition, or any character. */
const TOKEN = /\[\^?\]?(?:\\[^]|\[:[^\]]{0,16}:\]|[^\]\\])*\]|\\[^]|\{\d+(?:,\d*)?\}|[^]/gy;

/** About how many instructions an expression becomes: never much less, as repetitions multiply what they repeat. */
function estimate(expression: string): number {
  // Sizes of what is open: the groups around, each with the size of its last item.
  const open = [{ size: 0, last: 0 }];
  for (const [token] of expression.matchAll(TOKEN)) {
    // Quotes what follows, brackets too: nobody needs it, and reading it here as well would be one more thing to get wrong.
    if (token === "\\Q") return Number.POSITIVE_INFINITY;
    let group = open.at(-1) ?? { size: 0, last: 0 };
    if (token === "(") {
      open.push({ size: 0, last: 0 });
    } else if (token === ")" && open.length > 1) {
      const { size } = group;
      open.pop();
      group = open.at(-1) ?? group;
      group.last = size + 2;
      group.size += group.last;
    } else if (/^\{\d/.test(token)) {
      const times = Math.max(...token.slice(1, -1).split(",").map(Number));
      // Each repetition of something optional takes one instruction more.
      const repeated = (group.last + 1) * Math.max(1, times);
      group.size += repeated - group.last;
      group.last = repeated;
    } else if (/^[*+?]$/.test(token)) {
      group.size += 1;
      group.last += 1;
    } else {
      group.last = 1;
      group.size += 1;
    }
  }
  return open.reduce((sum, { size }) => sum + size, 0);
}
