import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FENCED } from "./examples.js";

/** Folder of the protocol's chapters. */
export const PROTOCOL: string = join(__dirname, "../../../docs/protocol");

/** Chapter of docs/protocol/. */
export interface Chapter {
  /** File name without its extension, such as `native`. */
  readonly name: string;
  readonly text: string;
}

/** Fenced block of a chapter: an example of frames on the wire. */
export interface WireExample {
  /** Word after the fence, such as `transcript`. */
  readonly kind: string;
  readonly code: string;
}

/** Row in a chapter's table of rules. */
export interface RuleRow {
  /** Id of the rule, such as `A9`. */
  readonly id: string;
  readonly chapter: string;
  /** Whether the row links to details below the table. */
  readonly hasDetails: boolean;
}

/** Reads all chapters, except the page that lists them. */
export function readChapters(): Chapter[] {
  return readdirSync(PROTOCOL)
    .filter((file) => file.endsWith(".md") && file !== "README.md")
    .map((file) => readChapter(file.slice(0, -".md".length)));
}

export function readChapter(name: string): Chapter {
  return { name, text: readFileSync(join(PROTOCOL, `${name}.md`), "utf8") };
}

export function readWireExamples({ text }: Chapter): WireExample[] {
  return [...text.matchAll(FENCED)].map(({ groups: { code = "", info = "" } = {} }) => ({ kind: info, code }));
}

export function readRules({ name, text }: Chapter): RuleRow[] {
  return [...text.matchAll(/^\| (?:\[([A-Z]\d+)\]\(#[a-z]\d+\)|([A-Z]\d+)) \|/gm)].map(([, linked, plain]) => ({
    id: linked ?? plain ?? "",
    chapter: name,
    hasDetails: linked !== undefined,
  }));
}

/** Splits a row of a Markdown table into trimmed cells. */
export function cellsOf(row: string): string[] {
  return row
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}
