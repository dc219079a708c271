/**
 * Access to the raw text of JSON values. Parsing loses information: digits of large numbers, `1.10`, the order of members
 * with numeric names, and duplicate members. All functions require valid JSON.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** Reads the name of an object's first member; undefined for an empty object. */
export function readFirstName(text: string): string | undefined {
  const begin = text.indexOf('"');
  return begin === -1 ? undefined : readName(text.slice(begin, findStringEnd(text, begin)));
}

/** Reads the names of an object's members, in the order of the text. */
export function readMemberNames(text: string): string[] {
  const names: string[] = [];
  forEachMember(text, (name) => {
    names.push(readName(name));
  });
  return names;
}

/** Finds the raw value of an object's member: the last one of that name, like JSON.parse. */
export function findValueText(text: string, name: string): string | undefined {
  return findValueTexts(text, [name])[0];
}

/**
 * Finds the raw values of several members, in the order of `names`, in linear time.
 * @param text - decoded from UTF-8, so that it has no lone surrogates
 */
export function findValueTexts(text: string, names: readonly string[]): (string | undefined)[] {
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
 * Finds the raw second element of an array; undefined for an array of one.
 * @param text - an array that begins with a string
 */
export function findSecondElement(text: string): string | undefined {
  const begin = text.indexOf(",", findStringEnd(text, text.indexOf('"'))) + 1;
  return begin === 0 ? undefined : text.slice(begin, findValueEnd(text, begin)).trim();
}

/** Splits an array into its raw elements. */
export function* splitElements(text: string): Generator<string> {
  const end = text.lastIndexOf("]");
  for (let begin = text.indexOf("[") + 1; begin < end; ) {
    const elementEnd = findValueEnd(text, begin);
    const element = text.slice(begin, elementEnd).trim();
    if (element !== "") yield element;
    begin = elementEnd + 1;
  }
}

/** Replaces the values of all members with this name in an object's text. */
export function replaceValues(text: string, name: string, replace: (value: string) => string): string {
  let replaced = "";
  let kept = 0;
  forEachMember(text, (rawName, begin, end) => {
    if (readName(rawName) !== name) return;
    replaced += text.slice(kept, begin) + replace(text.slice(begin, end).trim());
    kept = end;
  });
  return replaced + text.slice(kept);
}

/** Returns the text between an object's braces without the members of these names. The others are unchanged. */
export function removeMembers(text: string, without: readonly string[]): string {
  // Only an escape can hide a name. Nearly no text has an escape or one of the names.
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

/** @param visit - called with each member's raw name in quotes, the positions of its value, and the position of its name */
function forEachMember(
  text: string,
  visit: (name: string, begin: number, end: number, nameBegin: number) => void,
): void {
  // No quote occurs between members or after the last one.
  for (let begin = text.indexOf('"'); begin !== -1; ) {
    const nameEnd = findStringEnd(text, begin);
    const valueBegin = text.indexOf(":", nameEnd) + 1;
    const valueEnd = findValueEnd(text, valueBegin);
    visit(text.slice(begin, nameEnd), valueBegin, valueEnd, begin);
    begin = text.indexOf('"', valueEnd);
  }
}

/** Reads a name, or any other string. @param rawName - with its quotes */
export function readName(rawName: string): string {
  return rawName.includes("\\") ? (JSON.parse(rawName) as string) : rawName.slice(1, -1);
}

/**
 * Finds the position after the closing quote of a string.
 * @param begin - position of the opening quote
 */
export function findStringEnd(text: string, begin: number): number {
  const quote = text.indexOf('"', begin + 1);
  if (text.charCodeAt(quote - 1) !== BACKSLASH) return quote + 1;
  let at = begin + 1;
  for (; text.charCodeAt(at) !== QUOTE; at += 1) if (text.charCodeAt(at) === BACKSLASH) at += 1;
  return at + 1;
}

/** Finds the position of the comma, brace or bracket after a value. */
function findValueEnd(text: string, begin: number): number {
  let depth = 0;
  for (let at = begin; ; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = findStringEnd(text, at) - 1;
    else if (code === OPENING_BRACE || code === OPENING_BRACKET) depth += 1;
    else if (depth === 0 && (code === COMMA || code === CLOSING_BRACE || code === CLOSING_BRACKET)) return at;
    else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) depth -= 1;
  }
}

/** Copies a small part, because a slice keeps the whole text in memory, such as a frame of 1 MiB for an id. */
function detach(part: string, text: string): string {
  return part.length * 2 < text.length ? Buffer.from(part).toString() : part;
}
