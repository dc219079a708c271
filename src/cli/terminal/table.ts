import { paint, usesColor } from "./color.js";
import { escapeControls } from "./print.js";

/** Formats lines with columns that are as wide as their longest cell. @param head - titles of the columns */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map(escapeControls));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const [titles = "", ...others] = lines;
  return `${[paint(titles, "bold", usesColor(process.stdout)), ...others].join("\n")}\n`;
}
