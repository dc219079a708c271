import { z } from "zod";

const DURATION: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A time such as `500ms`, `25s`, `2m`, `1h`; read into milliseconds. */
export function duration(least: string, most: string) {
  return quantity("a time such as 500ms, 25s, 2m", DURATION, least, most);
}

/** A size such as `64KiB`, `1MiB`, or a whole number of bytes; read into bytes. */
export function bytes(least: string, most: string) {
  return quantity("a size such as 64KiB, 1MiB", BYTES, least, most);
}

function quantity(what: string, units: Readonly<Record<string, number>>, least: string, most: string) {
  const min = read(least, units);
  const max = read(most, units);
  return z.union([z.string(), z.number()]).transform((value, context) => {
    const number = read(value, units);
    if (number === undefined) {
      context.addIssue({ code: "custom", message: `expected ${what}` });
      return z.NEVER;
    }
    if ((min !== undefined && number < min) || (max !== undefined && number > max)) {
      context.addIssue({ code: "custom", message: `expected ${what}, from ${least} to ${most}` });
      return z.NEVER;
    }
    return number;
  });
}

/** A bare number is bytes; a bare time has no meaning, except 0. */
function read(value: string | number, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(String(value));
  if (match === null) return undefined;
  const amount = Number(match[1]);
  const unit = match[2] === "" ? (units["B"] ?? (amount === 0 ? 1 : undefined)) : units[match[2] ?? ""];
  return unit === undefined ? undefined : Math.round(amount * unit);
}
