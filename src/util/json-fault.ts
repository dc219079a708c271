/** Deepest nesting. Protobuf's readers take messages nested 100 deep, and each level of a `Struct` is three. */
const MAX_DEPTH = 30;

/**
 * Reason why a value cannot be passed on in JSON and as a `google.protobuf.Struct`, to be put after its name;
 * undefined for a value that can be.
 */
export function jsonFault(value: unknown, depth = 0): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : "holds a number that JSON cannot hold";
  if (typeof value === "string") return LONE_SURROGATE.test(value) ? "holds text that is not valid Unicode" : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  if (depth === MAX_DEPTH) return "is nested too deeply";
  for (const [name, member] of Object.entries(value)) {
    const fault = jsonFault(name) ?? jsonFault(member, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const LONE_SURROGATE = /\p{Surrogate}/u;
