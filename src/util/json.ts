/** Maximum nesting depth of objects and lists in a token. */
const MAX_DEPTH = 16;

/** Matches a string, a bracket, a comma or a colon; other values are irrelevant here. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;

/** JSON text that parses, but is ambiguous or nested too deeply. The message completes "the JSON text …". */
export class AmbiguousJsonError extends Error {}

/**
 * Parses JSON, and rejects ambiguous text: parsers differ in which of two members with the same name they use, and in
 * their treatment of `__proto__`.
 *
 * @throws SyntaxError, AmbiguousJsonError
 */
export function readJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Names of each open object; undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  let nameComes = false;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") {
      open.push(token === "{" ? new Set() : undefined);
      if (open.length > MAX_DEPTH) throw new AmbiguousJsonError("nested too deeply");
      nameComes = token === "{";
    } else if (token === "}" || token === "]") {
      open.pop();
    } else if (token === ",") {
      nameComes = open.at(-1) !== undefined;
    } else if (token !== ":" && nameComes) {
      nameComes = false;
      checkName(JSON.parse(token) as string, open.at(-1));
    }
  }
  return value;
}

function checkName(name: string, seen: Set<string> | undefined): void {
  if (name === "__proto__") throw new AmbiguousJsonError("has a member named __proto__");
  if (seen?.has(name) === true)
    throw new AmbiguousJsonError(`has two members named ${JSON.stringify(name.slice(0, 50))}`);
  seen?.add(name);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
