import { RE2JS } from "re2js";
import { RecentMap } from "./recent-map.js";

/** Longest regular expression, in bytes of UTF-8. */
export const MAX_EXPRESSION_BYTES = 1_024;

/** Largest program of an expression, in instructions. Matching costs this times the name's length at worst: some ms. */
const MAX_PROGRAM = 1_000;

/** Answers that are remembered for each expression. */
const MAX_ANSWERS = 256;

/**
 * A regular expression that came from outside, in RE2's syntax: no backtracking, so that none takes more than time in
 * proportion to its program and the name. It must match the whole name.
 *
 * @throws Error with what is wrong with it
 */
export function compileExpression(expression: string): (name: string) => boolean {
  if (expression === "") throw new Error("the expression is empty");
  if (Buffer.byteLength(expression) > MAX_EXPRESSION_BYTES) {
    throw new Error(`the expression is longer than ${MAX_EXPRESSION_BYTES} bytes`);
  }
  // Before compiling: a program of millions of instructions takes seconds to make.
  if (estimate(expression) > 4 * MAX_PROGRAM) throw new Error(TOO_LARGE);
  const compiled = compile(expression);
  if (compiled.programSize() > MAX_PROGRAM) throw new Error(TOO_LARGE);
  const answers = new RecentMap<string, boolean>(MAX_ANSWERS);
  return (name) => {
    let answer = answers.get(name);
    if (answer === undefined) {
      answer = compiled.testExact(name);
      answers.set(name, answer);
    }
    return answer;
  };
}

const TOO_LARGE = "the expression is too large: it repeats too much";

function compile(expression: string): RE2JS {
  try {
    return RE2JS.compile(expression);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
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
