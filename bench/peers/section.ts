import type { Bar, Part } from "../support/report.js";

/** Part of the comparison. */
export interface Section {
  readonly parts: readonly Part[];
  readonly bars: readonly Bar[];
}

/** Formats a figure relative to another one; empty if that was not measured. */
export function ratio(figure: number, beside: number): string {
  return Number.isFinite(figure / beside) ? `${(figure / beside).toFixed(2)} ×` : "";
}

/**
 * Compares Carillon's figure with those of other servers.
 *
 * @param figures - median by server
 * @param limits - largest ratio by server; one without a figure is skipped
 */
export function ratioBars(
  what: string,
  figures: ReadonlyMap<string, number>,
  limits: Readonly<Record<string, number>>,
): Bar[] {
  const ours = figures.get("Carillon") ?? Number.NaN;
  return Object.entries(limits).flatMap(([server, limit]) => {
    const found = ours / (figures.get(server) ?? Number.NaN);
    return Number.isFinite(found) ? [{ what: `${what}, vs ${server}`, limit, found, unit: "×" }] : [];
  });
}
