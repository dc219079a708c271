import { status } from "@grpc/grpc-js";
import { cellsOf, readChapter } from "./chapters.js";

/** Row of the table in docs/protocol/errors.md. */
export interface ErrorRow {
  readonly rule: string;
  /** Number of the gRPC status. */
  readonly status: number;
  /** Name of the status in Connect. */
  readonly connectCode: string;
  /** Texts that the row allows; empty when the port has its own. */
  readonly wordings: readonly Wording[];
  /** Matches each of the wordings; matches anything when the port has its own. */
  readonly pattern: RegExp;
}

export interface Wording {
  readonly text: string;
  /** Creates a pattern of a text that matches any positions, numbers and quoted names. */
  readonly pattern: RegExp;
}

/**
 * Reads the table of errors.
 * @throws Error for a row that does not have five cells
 */
export function errorTable(): ErrorRow[] {
  const rows = readChapter("errors")
    .text.split("\n")
    .filter((line) => /^\| E\d+ \|/.test(line));
  return rows.map((row) => {
    const cells = cellsOf(row);
    if (cells.length !== 5) throw new Error(`errors.md: not five cells: ${row}`);
    return rowOf(cells);
  });
}

function rowOf([rule = "", , grpc = "", connectCode = "", wording = ""]: readonly string[]): ErrorRow {
  const wordings = wordingsOf(wording).map((text) => ({ text, pattern: patternOf(text) }));
  return {
    rule,
    status: status[grpc as keyof typeof status],
    connectCode,
    wordings,
    pattern: new RegExp(wordings.map(({ pattern }) => pattern.source).join("|"), "u"),
  };
}

/** Reads `a` or `b`, and `a` or `b` and one of: `x`, `y`. */
function wordingsOf(wording: string): string[] {
  const [heads = "", tails] = wording.split(" and one of: ");
  if (tails === undefined) return quoted(heads);
  return quoted(heads).flatMap((head) => quoted(tails).map((tail) => `${head} ${tail}`));
}

function quoted(part: string): string[] {
  return [...part.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? "");
}

/** Treats positions, quoted names and all numbers but 255, the limit of names, as examples. */
function patternOf(text: string): RegExp {
  const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const general = escaped
    .replaceAll("\\[i\\]", "\\[\\d+\\]")
    .replace(/"[^"]*"/g, '"[^"]*"')
    .replace(/\b(?!255\b)\d+/g, "\\d+")
    .replace("known: memory", "known: [\\w-]+(?:, [\\w-]+)*");
  return new RegExp(`^${general}$`, "u");
}
