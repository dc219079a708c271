import type { DescMessage } from "@bufbuild/protobuf";

/**
 * Largest weight of the fields of one request: a value weighs 1; a message, object or list weighs 8. Decoding this much takes
 * about 30 ms; 4 MiB of empty messages or empty topics would take half a second.
 */
const MAX_REQUEST_WEIGHT = 131_072;

const MESSAGE_WEIGHT = 8;

/** Smallest number of bytes of a protobuf field: its tag, and its length or value. */
const FIELD_BYTES = 2;

/** Nesting depth at which decoding fails. */
const MAX_DEPTH = 100;

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const OPENING_BRACE = 0x7b;

const REASON = `too many fields: weight above ${MAX_REQUEST_WEIGHT} (a value counts as 1, a message, object or list as ${MESSAGE_WEIGHT})`;

/** Message fields of a type by number. Packed lists of numbers are "packed". */
type Layout = Map<number, Layout | "packed">;

const layouts = new WeakMap<DescMessage, Layout>();

/** Weight of a value in JSON of a type. */
const valueWeights = new WeakMap<DescMessage, number>();

/** @returns why decoding the message would take too long; undefined if it would not */
export function findMessageExcess(type: DescMessage, bytes: Uint8Array): string | undefined {
  if (bytes.length <= (MAX_REQUEST_WEIGHT / MESSAGE_WEIGHT) * FIELD_BYTES) return undefined;
  return new WeightScanner(bytes).weigh(findLayout(type), bytes.length, 0) > MAX_REQUEST_WEIGHT ? REASON : undefined;
}

/**
 * Does the same as {@link findMessageExcess} for a message in JSON. A value within a google.protobuf.Struct weighs as much as
 * a message.
 * @param text - need not be valid JSON
 */
export function findJsonMessageExcess(type: DescMessage, text: string): string | undefined {
  if (text.length <= MAX_REQUEST_WEIGHT / MESSAGE_WEIGHT) return undefined;
  const valueWeight = weighValue(type);
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

function weighValue(type: DescMessage): number {
  const known = valueWeights.get(type);
  if (known !== undefined) return known;
  const weight = hasStruct(type, new Set()) ? MESSAGE_WEIGHT : 1;
  valueWeights.set(type, weight);
  return weight;
}

function hasStruct(type: DescMessage, seen: Set<DescMessage>): boolean {
  if (type.typeName === "google.protobuf.Value" || type.typeName === "google.protobuf.Struct") return true;
  if (seen.has(type)) return false;
  seen.add(type);
  return type.fields.some(({ message }) => message !== undefined && hasStruct(message, seen));
}

function findLayout(type: DescMessage): Layout {
  const known = layouts.get(type);
  if (known !== undefined) return known;
  const layout: Layout = new Map();
  // Types may be recursive.
  layouts.set(type, layout);
  for (const field of type.fields) {
    const { message, number } = field;
    const inner = message === undefined ? undefined : findLayout(message);
    if (field.fieldKind === "map") layout.set(number, inner === undefined ? new Map() : new Map([[2, inner]]));
    else if (inner !== undefined) layout.set(number, inner);
    else if (field.fieldKind === "list" && field.packed) layout.set(number, "packed");
  }
  return layout;
}

/** Walks the tags of encoded messages. Malformed bytes end the walk; the decoder reports them. */
class WeightScanner {
  readonly #bytes: Uint8Array;
  #at = 0;
  #weight = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @returns the weight of all fields read; above the limit, the rest is not read */
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
        // Group tags: the fields of a group count as fields of the message.
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
