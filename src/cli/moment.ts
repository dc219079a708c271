import { invalidArgument } from "../errors.js";
import { parseTime } from "../util/parse-time.js";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Parses a moment: a time in RFC 3339, or how long ago it was, such as `10m`.
 * @returns milliseconds since the epoch; undefined for any other text
 */
export function parseMoment(text: string): number | undefined {
  const ago = parseDuration(text);
  return ago === undefined ? parseTime(text) : Date.now() - ago;
}

/** Parses a duration such as `10m`. @returns milliseconds; undefined for any other text */
export function parseDuration(text: string): number | undefined {
  const [, amount = "", unit = ""] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  return unit === "" ? undefined : Number(amount) * (UNITS[unit] ?? 0);
}

/** @throws CarillonError invalid_argument */
export function requireMoment(option: string, text: string): number {
  const moment = parseMoment(text);
  if (moment !== undefined) return moment;
  throw invalidArgument(`${option}: expected how long ago, such as 10m, or a time such as 2026-01-31T12:00:00Z`);
}
