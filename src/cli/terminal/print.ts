/** Characters that a terminal obeys, or that change how the text around them looks. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Control characters of a payload that are escaped. Line breaks, tabs and joined characters are shown as they are. */
const PAYLOAD_CONTROLS = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Control characters of a note, which may have several lines. */
const NOTE_CONTROLS = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Control characters that JSON does not escape. Line breaks and tabs between its tokens stay. */
const JSON_CONTROLS = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Replaces control characters, because clients choose some of the texts, and a terminal would obey them. */
export function escapeControls(text: string): string {
  return escape(text, CONTROLS);
}

/** Replaces control characters other than line breaks. */
export function escapeNote(text: string): string {
  return escape(text, NOTE_CONTROLS);
}

/** Prints a line of a message's content: as it is into a pipe or file, with its control characters escaped on a terminal. */
export function printPayload(content: Uint8Array): void {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const shown = process.stdout.isTTY ? Buffer.from(escape(bytes.toString(), PAYLOAD_CONTROLS)) : bytes;
  process.stdout.write(Buffer.concat([shown, Buffer.from("\n")]));
}

/** Prints a value as JSON in a line. */
export function printJson(value: unknown): void {
  printJsonText(JSON.stringify(value));
}

/** Prints a text of JSON in a line, with the control characters in its strings escaped, which leaves its value the same. */
export function printJsonText(json: string): void {
  const escaped = json.replaceAll(JSON_CONTROLS, (character) =>
    Array.from({ length: character.length }, (_, index) => toEscape(character.charCodeAt(index))).join(""),
  );
  process.stdout.write(`${escaped}\n`);
}

function toEscape(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}

function escape(text: string, controls: RegExp): string {
  return text.replaceAll(controls, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
