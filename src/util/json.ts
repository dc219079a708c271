import { findStringEnd, readName } from "./raw-json.js";

/** Maximum nesting depth of objects and lists in a token. */
const MAX_DEPTH = 16;

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
  for (let at = 0; at < text.length; at += 1) {
    const token = text.charAt(at);
    if (token === '"') {
      const end = findStringEnd(text, at);
      if (nameComes) checkName(readName(text.slice(at, end)), open.at(-1));
      nameComes = false;
      at = end - 1;
    } else if (token === "{" || token === "[") {
      open.push(token === "{" ? new Set() : undefined);
      if (open.length > MAX_DEPTH) throw new AmbiguousJsonError("nested too deeply");
      nameComes = token === "{";
    } else if (token === "}" || token === "]") {
      open.pop();
    } else if (token === ",") {
      nameComes = open.at(-1) !== undefined;
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
