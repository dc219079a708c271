import { readFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";

/** A row of the table of errors in PROTOCOL.md. */
export interface ErrorRow {
  readonly rule: string;
  /** gRPC's number. */
  readonly status: number;
  /** As Connect calls it. */
  readonly connectCode: string;
  /** Every text that the row allows; empty where it is the mount's own. */
  readonly wordings: readonly Wording[];
  /** Matches each of the wordings; anything, where the wording is the mount's own. */
  readonly pattern: RegExp;
}

export interface Wording {
  readonly text: string;
  /** The text with anything in place of positions, numbers and quoted names. */
  readonly pattern: RegExp;
}

/** The table as it stands in PROTOCOL.md. */
export function errorTable(): ErrorRow[] {
  const text = readFileSync(join(__dirname, "../../../PROTOCOL.md"), "utf8");
  const rows = text.split("\n").filter((line) => /^\| E\d+ \|/.test(line));
  return rows.map((row) => {
    const cells = row.slice(2, -2).split(" | ");
    if (cells.length !== 5) throw new Error(`PROTOCOL.md: not five cells: ${row}`);
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

/** `a` or `b`; `a` or `b` and one of: `x`, `y`. */
function wordingsOf(wording: string): string[] {
  const [heads = "", tails] = wording.split(" and one of: ");
  if (tails === undefined) return quoted(heads);
  return quoted(heads).flatMap((head) => quoted(tails).map((tail) => `${head} ${tail}`));
}

function quoted(part: string): string[] {
  return [...part.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? "");
}

/** 255 is a rule's own number; all others, positions and what stands in quotes are examples. */
function patternOf(text: string): RegExp {
  const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const general = escaped
    .replaceAll("\\[i\\]", "\\[\\d+\\]")
    .replace(/"[^"]*"/g, '"[^"]*"')
    .replace(/\b(?!255\b)\d+/g, "\\d+")
    .replace("known: memory", "known: [\\w-]+(?:, [\\w-]+)*");
  return new RegExp(`^${general}$`, "u");
}
