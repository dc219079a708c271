/**
 * Raw text of JSON values. Reading a value loses what its text says: the digits of a large number, `1.10`, the order of members
 * that look like numbers, and members of the same name. All functions take text that is known to be JSON.
 */

interface Member {
  readonly name: string;
  /** JSON text. */
  readonly value: string;
  /** Position of the value in the object's text, white space before it included. */
  readonly begin: number;
  /** Position behind the value, white space after it included. */
  readonly end: number;
}

/** The name of an object's first member; undefined for an object without any. */
export function firstName(text: string): string | undefined {
  const begin = text.indexOf('"');
  return begin === -1 ? undefined : nameAt(text, begin, endOfString(text, begin));
}

/** The value of an object's member, as it is written: the last one of that name, as JSON.parse has it. */
export function valueText(text: string, name: string): string | undefined {
  let value: string | undefined;
  for (const member of membersOf(text)) if (member.name === name) ({ value } = member);
  return value;
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
  let end = 0;
  for (const member of membersOf(text)) {
    if (member.name !== name) continue;
    replaced += text.slice(end, member.begin) + replace(member.value);
    ({ end } = member);
  }
  return replaced + text.slice(end);
}

/** The text between an object's braces, without the members of these names. */
export function membersText(text: string, without: readonly string[]): string {
  // Only such an escape can hide a name; nearly no text has either.
  if (!text.includes("\\u") && !without.some((name) => text.includes(`"${name}"`)))
    return text.trim().slice(1, -1).trim();
  const kept: string[] = [];
  for (const { name, value } of membersOf(text)) {
    if (!without.includes(name)) kept.push(`${JSON.stringify(name)}:${value}`);
  }
  return kept.join(",");
}

function* membersOf(text: string): Generator<Member> {
  // Between members, and behind the last, there is no quote.
  for (let begin = text.indexOf('"'); begin !== -1; ) {
    const nameEnd = endOfString(text, begin);
    const valueBegin = text.indexOf(":", nameEnd) + 1;
    const valueEnd = endOfValue(text, valueBegin);
    yield {
      name: nameAt(text, begin, nameEnd),
      value: text.slice(valueBegin, valueEnd).trim(),
      begin: valueBegin,
      end: valueEnd,
    };
    begin = text.indexOf('"', valueEnd);
  }
}

function nameAt(text: string, begin: number, end: number): string {
  return JSON.parse(text.slice(begin, end)) as string;
}

function endOfString(text: string, begin: number): number {
  let at = begin + 1;
  for (; text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
  return at + 1;
}

/** The position of the comma, the brace or the bracket behind a value. */
function endOfValue(text: string, begin: number): number {
  let depth = 0;
  for (let at = begin; ; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at) - 1;
    else if (character === "{" || character === "[") depth += 1;
    else if (depth === 0 && (character === "," || character === "}" || character === "]")) return at;
    else if (character === "}" || character === "]") depth -= 1;
  }
}
