import type { DescMessage } from "@bufbuild/protobuf";

/**
 * Most that the fields of one request weigh: a value 1, a message, an object or a list 8. Decoding so much takes some 30 ms; 4 MiB
 * of empty messages, or of topics without a letter, take half a second.
 */
const MAX_REQUEST_WEIGHT = 131_072;

const MESSAGE_WEIGHT = 8;

/** Fewest bytes of a field in protobuf: its tag and its length, or its value. */
const FIELD_BYTES = 2;

/** Levels at which decoding ends with an error. */
const MAX_DEPTH = 100;

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const OPENING_BRACE = 0x7b;

const REASON = `it has too many fields: it weighs more than ${MAX_REQUEST_WEIGHT}, a value counted as 1, a message, object or list as ${MESSAGE_WEIGHT}`;

/** Message fields of a type by number; lists of numbers, packed into one field, are "packed". */
type Layout = Map<number, Layout | "packed">;

const layouts = new WeakMap<DescMessage, Layout>();

/** @returns why decoding a message of this type would take too long; undefined where it would not */
export function findMessageExcess(type: DescMessage, bytes: Uint8Array): string | undefined {
  if (bytes.length <= (MAX_REQUEST_WEIGHT / MESSAGE_WEIGHT) * FIELD_BYTES) return undefined;
  return new Walk(bytes).weigh(layoutOf(type), bytes.length, 0) > MAX_REQUEST_WEIGHT ? REASON : undefined;
}

/**
 * The same for a message in JSON. A value within a google.protobuf.Struct is a message.
 * @param text - JSON or not
 */
export function findJsonMessageExcess(type: DescMessage, text: string): string | undefined {
  if (text.length <= MAX_REQUEST_WEIGHT / MESSAGE_WEIGHT) return undefined;
  const valueWeight = hasStruct(type, new Set()) ? MESSAGE_WEIGHT : 1;
  let weight = 0;
  for (let at = 0; at < text.length && weight <= MAX_REQUEST_WEIGHT; at += 1) {
    const code = text.charCodeAt(at);
    if (code === COMMA) weight += valueWeight;
    else if (code === OPENING_BRACKET || code === OPENING_BRACE) weight += MESSAGE_WEIGHT;
    else if (code === QUOTE) at = closingQuote(text, at);
  }
  return weight > MAX_REQUEST_WEIGHT ? REASON : undefined;
}

function closingQuote(text: string, opening: number): number {
  const quote = text.indexOf('"', opening + 1);
  if (quote === -1) return text.length;
  if (text[quote - 1] !== "\\") return quote;
  let at = opening + 1;
  for (; at < text.length && text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
  return at;
}

function hasStruct(type: DescMessage, seen: Set<DescMessage>): boolean {
  if (type.typeName === "google.protobuf.Value" || type.typeName === "google.protobuf.Struct") return true;
  if (seen.has(type)) return false;
  seen.add(type);
  return type.fields.some(({ message }) => message !== undefined && hasStruct(message, seen));
}

function layoutOf(type: DescMessage): Layout {
  const known = layouts.get(type);
  if (known !== undefined) return known;
  const layout: Layout = new Map();
  // Types may hold themselves.
  layouts.set(type, layout);
  for (const field of type.fields) {
    const { message, number } = field;
    const inner = message === undefined ? undefined : layoutOf(message);
    if (field.fieldKind === "map") layout.set(number, inner === undefined ? new Map() : new Map([[2, inner]]));
    else if (inner !== undefined) layout.set(number, inner);
    else if (field.fieldKind === "list" && field.packed) layout.set(number, "packed");
  }
  return layout;
}

/** A pass over the tags of encoded messages. Malformed bytes end it: decoding says what is wrong with them. */
class Walk {
  readonly #bytes: Uint8Array;
  #at = 0;
  #weight = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @returns the weight of all fields so far; more than the most where the rest was not looked at */
  weigh(layout: Layout, end: number, depth: number): number {
    while (this.#at < end && this.#weight <= MAX_REQUEST_WEIGHT) {
      const tag = this.#varint();
      this.#weight += 1;
      switch (tag % 8) {
        case 0:
          this.#varint();
          break;
        case 1:
          this.#at += 8;
          break;
        case 2:
          this.#weighDelimited(layout.get(Math.floor(tag / 8)), end, depth);
          break;
        case 5:
          this.#at += 4;
          break;
        // The tags around a group: its fields count as the message's own.
        default:
      }
    }
    return this.#weight;
  }

  #weighDelimited(layout: Layout | "packed" | undefined, outerEnd: number, depth: number): void {
    const length = this.#varint();
    const end = Math.min(this.#at + length, outerEnd);
    if (layout === "packed") {
      this.#weight += length;
    } else if (layout !== undefined && depth < MAX_DEPTH) {
      this.#weight += MESSAGE_WEIGHT - 1;
      this.weigh(layout, end, depth + 1);
    }
    this.#at = end;
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }
}
