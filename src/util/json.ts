/** Deepest nesting of objects and lists in a token. */
const MAX_DEPTH = 16;

/** A string, a bracket or a comma; numbers and words matter to nobody here. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;

/**
 * Reads JSON in which everything means one thing only: parsers differ in which of two claims with the same name they
 * take, and what `__proto__` does.
 *
 * @throws Error with what is wrong with it
 */
export function readJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Names seen in each object that is open; undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  let nameComes = false;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") {
      open.push(token === "{" ? new Set() : undefined);
      if (open.length > MAX_DEPTH) throw new Error("it is nested too deeply");
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
  if (name === "__proto__") throw new Error("it names __proto__");
  if (seen?.has(name) === true) throw new Error(`it names ${JSON.stringify(name.slice(0, 50))} twice`);
  seen?.add(name);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
