import { table } from "./table.js";

/** What must hold, and what was found. */
export interface Bar {
  readonly what: string;
  readonly limit: number;
  readonly found: number;
  /** After both figures; "×" for a ratio. */
  readonly unit: string;
  readonly digits?: number;
}

export interface Part {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What a benchmark has found. */
export interface Report {
  /** How it was measured, in a sentence or two. */
  readonly how: string;
  readonly parts: readonly Part[];
  readonly bars: readonly Bar[];
}

/** A benchmark. With `toy` it runs once at a size that only shows that it works. */
export type Benchmark = (options: Options) => Promise<Report>;

export interface Options {
  readonly toy: boolean;
  /** Rounds that count: five where figures are to be shown to anybody. */
  readonly rounds: number;
  /** Text in the names of what is to be measured; undefined: everything. Only where a benchmark has many inputs. */
  readonly only: string | undefined;
  /** A folder for CPU profiles of the Carillon servers. */
  readonly profiles: string | undefined;
}

export function reportText({ bars, how, parts }: Report): string {
  const tables = parts.map(({ head, rows }) => table(head, rows));
  if (bars.length > 0) tables.push(table(["what must hold", "bar", "found", "holds"], bars.map(barCells)));
  return [how, ...tables].join("\n\n");
}

function barCells({ digits = 2, found, limit, unit, what }: Bar): string[] {
  const figure = (value: number): string => `${value.toFixed(digits)} ${unit}`;
  return [what, `at most ${figure(limit)}`, figure(found), found <= limit ? "yes" : "**no**"];
}
