/**
 * Raw text of JSON values. Reading a value loses what its text says: the digits of a large number, `1.10`, the order of members
 * that look like numbers, and members of the same name. All functions take text that is known to be JSON.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** The name of an object's first member; undefined for an object without any. */
export function firstName(text: string): string | undefined {
  const begin = text.indexOf('"');
  return begin === -1 ? undefined : readName(text.slice(begin, endOfString(text, begin)));
}

/** The names of an object's members, in the order written. */
export function memberNames(text: string): string[] {
  const names: string[] = [];
  forEachMember(text, (name) => {
    names.push(readName(name));
  });
  return names;
}

/** The value of an object's member, as it is written: the last one of that name, as JSON.parse has it. */
export function valueText(text: string, name: string): string | undefined {
  return valueTexts(text, [name])[0];
}

/**
 * The same for several names at once, in their order. Takes linear time, whatever the object's depth and number of members.
 * @param text - from UTF-8, so that it has no lone surrogates
 */
export function valueTexts(text: string, names: readonly string[]): (string | undefined)[] {
  const quoted = names.map((name) => JSON.stringify(name));
  const values = names.map((): string | undefined => undefined);
  forEachMember(text, (name, begin, end) => {
    let position = quoted.indexOf(name);
    if (position === -1 && name.includes("\\")) position = names.indexOf(readName(name));
    if (position !== -1) values[position] = text.slice(begin, end);
  });
  return values.map((value) => (value === undefined ? undefined : detach(value.trim(), text)));
}

/**
 * An array's second element, as it is written; undefined for an array of one.
 * @param text - an array that begins with a string
 */
export function secondElement(text: string): string | undefined {
  const begin = text.indexOf(",", endOfString(text, text.indexOf('"'))) + 1;
  return begin === 0 ? undefined : text.slice(begin, endOfValue(text, begin)).trim();
}

/** The elements of an array, each as it is written. */
export function* elementTexts(text: string): Generator<string> {
  const end = text.lastIndexOf("]");
  for (let begin = text.indexOf("[") + 1; begin < end; ) {
    const elementEnd = endOfValue(text, begin);
    const element = text.slice(begin, elementEnd).trim();
    if (element !== "") yield element;
    begin = elementEnd + 1;
  }
}

/** An object's text with other values for the members of this name. */
export function replaceValues(text: string, name: string, replace: (value: string) => string): string {
  let replaced = "";
  let kept = 0;
  forEachMember(text, (written, begin, end) => {
    if (readName(written) !== name) return;
    replaced += text.slice(kept, begin) + replace(text.slice(begin, end).trim());
    kept = end;
  });
  return replaced + text.slice(kept);
}

/** The text between an object's braces, without the members of these names. The others stay as they are written. */
export function membersText(text: string, without: readonly string[]): string {
  // Only such an escape can hide a name; nearly no text has either.
  const hasOne = text.includes("\\u") || without.some((name) => text.includes(`"${name}"`));
  const kept: string[] = [];
  let all = true;
  if (hasOne) {
    forEachMember(text, (name, _begin, end, nameBegin) => {
      if (without.includes(readName(name))) all = false;
      else kept.push(text.slice(nameBegin, end).trimEnd());
    });
  }
  return all ? text.trim().slice(1, -1).trim() : kept.join(",");
}

/** @param visit - told each member's name as it is written, with its quotes, the positions of its value, and the name's */
function forEachMember(
  text: string,
  visit: (name: string, begin: number, end: number, nameBegin: number) => void,
): void {
  // Between members, and behind the last, there is no quote.
  for (let begin = text.indexOf('"'); begin !== -1; ) {
    const nameEnd = endOfString(text, begin);
    const valueBegin = text.indexOf(":", nameEnd) + 1;
    const valueEnd = endOfValue(text, valueBegin);
    visit(text.slice(begin, nameEnd), valueBegin, valueEnd, begin);
    begin = text.indexOf('"', valueEnd);
  }
}

function readName(written: string): string {
  return written.includes("\\") ? (JSON.parse(written) as string) : written.slice(1, -1);
}

/** @param begin - the position of the opening quote. @returns the position behind the closing one */
function endOfString(text: string, begin: number): number {
  const quote = text.indexOf('"', begin + 1);
  if (text.charCodeAt(quote - 1) !== BACKSLASH) return quote + 1;
  let at = begin + 1;
  for (; text.charCodeAt(at) !== QUOTE; at += 1) if (text.charCodeAt(at) === BACKSLASH) at += 1;
  return at + 1;
}

/** The position of the comma, the brace or the bracket behind a value. */
function endOfValue(text: string, begin: number): number {
  let depth = 0;
  for (let at = begin; ; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (code === OPENING_BRACE || code === OPENING_BRACKET) depth += 1;
    else if (depth === 0 && (code === COMMA || code === CLOSING_BRACE || code === CLOSING_BRACKET)) return at;
    else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) depth -= 1;
  }
}

/** A copy of a part, where it is small: a slice keeps the whole text in memory, an id that of a frame of 1 MiB. */
function detach(part: string, text: string): string {
  return part.length * 2 < text.length ? Buffer.from(part).toString() : part;
}
