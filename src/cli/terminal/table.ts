import { paint, usesColor } from "./color.js";

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

/** Replaces control characters, because clients choose some of the texts, and a terminal would obey them. */
export function escapeControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}
