import { table } from "./table.js";

/** Requirement on a figure, and the measured figure. */
export interface Bar {
  readonly what: string;
  readonly limit: number;
  readonly found: number;
  /** Unit of both figures; "×" for a ratio. */
  readonly unit: string;
  readonly digits?: number;
}

export interface Part {
  /** Text above the table. */
  readonly text?: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Results of a benchmark. */
export interface Report {
  /** Method of measurement, in one or two sentences. */
  readonly how: string;
  readonly parts: readonly Part[];
  readonly bars: readonly Bar[];
}

/** Benchmark. With `toy` it runs once at a size that only shows that it works. */
export type Benchmark = (options: Options) => Promise<Report>;

export interface Options {
  readonly toy: boolean;
  /** Number of measured rounds; five for published figures. */
  readonly rounds: number;
  /** Text in the names of inputs to measure; undefined: all inputs. Only for benchmarks with many inputs. */
  readonly only: string | undefined;
  /** Folder for CPU profiles of Carillon's servers. */
  readonly profiles: string | undefined;
}

export function formatReport({ bars, how, parts }: Report): string {
  const tables = parts.map(({ head, rows, text }) =>
    [...(text === undefined ? [] : [text]), table(head, rows)].join("\n\n"),
  );
  if (bars.length > 0) tables.push(table(["requirement", "limit", "measured", "met"], bars.map(formatBar)));
  return [how, ...tables].join("\n\n");
}

function formatBar({ digits = 2, found, limit, unit, what }: Bar): string[] {
  const figure = (value: number): string => `${value.toFixed(digits)} ${unit}`;
  return [what, `at most ${figure(limit)}`, figure(found), found <= limit ? "yes" : "**no**"];
}
