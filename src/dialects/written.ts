/**
 * JSON objects as they are written: the order of members, which reading loses where names look like numbers, and values as
 * their text, which may be too deep to be written anew, and hold numbers that reading rounds. All texts here are known to be
 * JSON of an object.
 */

/** A member as it is written. */
interface Member {
  readonly name: string;
  /** JSON. */
  readonly value: string;
}

/** The first member's name; undefined for an object without any. */
export function firstName(text: string): string | undefined {
  const begin = text.indexOf('"');
  return begin === -1 ? undefined : nameAt(text, begin, endOfString(text, begin));
}

/** The value of the member of this name: of the last one, where there are several, as for all who read JSON. */
export function valueText(text: string, name: string): string | undefined {
  let value: string | undefined;
  for (const member of membersOf(text)) if (member.name === name) ({ value } = member);
  return value;
}

/** What stands between the braces, but for the members of these names. */
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
    yield { name: nameAt(text, begin, nameEnd), value: text.slice(valueBegin, valueEnd).trim() };
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

/** Where the comma or the brace stands that comes after it. */
function endOfValue(text: string, begin: number): number {
  let depth = 0;
  for (let at = begin; ; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at) - 1;
    else if (character === "{" || character === "[") depth += 1;
    else if (depth === 0 && (character === "," || character === "}")) return at;
    else if (character === "}" || character === "]") depth -= 1;
  }
}
