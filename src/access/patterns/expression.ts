import { RE2JS } from "re2js";
import { errorText } from "../../util/native-error.js";

/** Longest regular expression, in bytes of UTF-8. */
export const MAX_EXPRESSION_BYTES = 1_024;

/** Maximum size of an expression's program, in instructions. */
const MAX_PROGRAM = 1_000;

/** Number of instructions that take as long to compile as a Unicode class such as `\p{L}`. */
const UNICODE_CLASS = 10;

/** Number of bytes that take as long to compile as an instruction. Bytes count because a long text may have a small program. */
const BYTES_PER_INSTRUCTION = 4;

/** A compiled regular expression. */
export interface Expression {
  /** Instructions of the program plus {@link UNICODE_CLASS} for each Unicode class, or more for a long expression. */
  readonly size: number;
  readonly matches: (name: string) => boolean;
}

/**
 * Compiles a regular expression in RE2's syntax. It matches only whole names, in at most `size` steps for each byte of the
 * name.
 *
 * Uses `matcher().matches()`, which simulates the program in 3 to 20 ns a step. The engine's boolean test builds an automaton
 * instead, which takes 130 ns a step for new names and up to 8 MiB for each expression.
 *
 * @throws Error with the reason
 */
export function compileExpression(expression: string): Expression {
  if (expression === "") throw new Error("the expression is empty");
  if (Buffer.byteLength(expression) > MAX_EXPRESSION_BYTES) {
    throw new Error(`the expression is longer than ${MAX_EXPRESSION_BYTES} bytes`);
  }
  const classes = (expression.match(/\\p/gi)?.length ?? 0) * UNICODE_CLASS;
  // Checked before compiling, because a program of millions of instructions takes seconds to compile.
  if (classes > MAX_PROGRAM || estimate(expression) > 4 * MAX_PROGRAM) throw new Error(TOO_LARGE);
  const compiled = compile(expression);
  const size = compiled.programSize() + classes;
  if (size > MAX_PROGRAM) throw new Error(TOO_LARGE);
  return {
    size: Math.max(size, Math.ceil(Buffer.byteLength(expression) / BYTES_PER_INSTRUCTION)),
    matches: (name) => compiled.matcher(name).matches(),
  };
}

const TOO_LARGE = "the expression is too large: too many repetitions";

function compile(expression: string): RE2JS {
  try {
    return RE2JS.compile(expression);
  } catch (cause) {
    const text = errorText(cause);
    throw new Error(text.replace("error parsing regexp: ", "malformed expression: "), { cause });
  }
}

/** A class in brackets (a leading `]` is part of it), an escaped character, a repetition, or any character. */
const TOKEN = /\[\^?\]?(?:\\[^]|\[:[^\]]{0,16}:\]|[^\]\\])*\]|\\[^]|\{\d+(?:,\d*)?\}|[^]/gy;

/** Estimates the instructions of an expression. Never much too low: repetitions multiply the size of their operand. */
function estimate(expression: string): number {
  // Open groups, each with its size and the size of its last item.
  const open = [{ size: 0, last: 0 }];
  for (const [token] of expression.matchAll(TOKEN)) {
    // \Q quotes everything after it, including brackets. It is refused, because parsing it here would be error-prone.
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
      // Each repetition of an optional item takes one more instruction.
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
