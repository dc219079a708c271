/**
 * Most objects and lists of one frame, body or payload in JSON. Parsing so many takes at most some 20 ms; without a bound, a frame
 * of 1 MiB of nothing but brackets takes three times as long.
 */
export const MAX_JSON_NODES = 131_072;

/** Reason for refusing JSON with too many objects and lists. */
export const TOO_MANY_JSON_NODES = `it has more than ${MAX_JSON_NODES} objects and lists`;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const OPENING_BRACE = 0x7b;

/**
 * Counts the objects and lists of JSON text without parsing it, in linear time and constant memory. Brackets within strings do
 * not count. Text that is too short to exceed the bound is not read.
 * @param text - any text, JSON or not
 */
export function hasTooManyJsonNodes(text: string): boolean {
  if (text.length <= MAX_JSON_NODES) return false;
  let nodes = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === OPENING_BRACKET || code === OPENING_BRACE) {
      nodes += 1;
      if (nodes > MAX_JSON_NODES) return true;
    } else if (code === QUOTE) {
      at = findClosingQuote(text, at);
    }
  }
  return false;
}

/** @returns the length of the text for a string that does not end */
function findClosingQuote(text: string, opening: number): number {
  let at = opening + 1;
  for (let code = text.charCodeAt(at); at < text.length && code !== QUOTE; code = text.charCodeAt(at)) {
    at += code === BACKSLASH ? 2 : 1;
  }
  return at;
}
