import { z } from "zod";

const DURATION: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

const KINDS = {
  duration: { units: DURATION, what: "a time such as 500ms, 25s, 2m" },
  size: { units: BYTES, what: "a size such as 64KiB, 1MiB" },
};

type QuantityKind = keyof typeof KINDS;

/** Metadata key in the JSON Schema of a time or size. Its value holds the kind and the range, as written. */
export const QUANTITY = "quantity";

/** Creates the schema of a time such as `500ms`, `25s`, `2m`, `1h`. Its output is in milliseconds. */
export function duration(least: string, most: string) {
  return quantity("duration", least, most);
}

/** Creates the schema of a size such as `64KiB`, `1MiB`, or a number of bytes. Its output is in bytes. */
export function bytes(least: string, most: string) {
  return quantity("size", least, most);
}

function quantity(kind: QuantityKind, least: string, most: string) {
  const { units, what } = KINDS[kind];
  const min = read(least, units);
  const max = read(most, units);
  const parser = z.union([z.string(), z.number()]).transform((value, context) => {
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
  return parser.meta({ [QUANTITY]: { kind, least, most } });
}

/** Parses a quantity; undefined for an invalid one. A size without a unit is in bytes. A time needs a unit, except 0. */
function read(value: string | number, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(String(value));
  if (match === null) return undefined;
  const amount = Number(match[1]);
  const unit = match[2] === "" ? (units["B"] ?? (amount === 0 ? 1 : undefined)) : units[match[2] ?? ""];
  return unit === undefined ? undefined : Math.round(amount * unit);
}
