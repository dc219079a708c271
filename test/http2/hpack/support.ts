import type { HeaderField } from "../../../src/http2/hpack/header-field.js";
import { HUFFMAN_LENGTHS } from "../../../src/http2/hpack/huffman-lengths.js";
import { STATIC_TABLE } from "../../../src/http2/hpack/static-table.js";

/** Bounds that no ordinary block reaches. */
export const WIDE_LIMITS = { tableBytes: 4_096, listBytes: 1 << 20, fields: 10_000 };

/** Decodes hexadecimal text that may contain white space. */
export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
}

/** Codes of RFC 7541, appendix B, as texts of zeros and ones. */
const CODES = canonicalCodes();

function canonicalCodes(): readonly string[] {
  const codes: string[] = [];
  let next = 0n;
  for (let length = 1n; length <= 30n; length++) {
    next <<= 1n;
    HUFFMAN_LENGTHS.forEach((bits, symbol) => {
      if (BigInt(bits) !== length) return;
      codes[symbol] = next.toString(2).padStart(bits, "0");
      next++;
    });
  }
  return codes;
}

/** Encodes symbols, of which 256 is EOS. The padding completes the last byte. */
export function huffmanOf(symbols: Iterable<number>, padding = "1111111"): Buffer {
  const bits = [...symbols].map((symbol) => CODES[symbol]).join("");
  const padded = bits + padding.slice(0, (8 - (bits.length % 8)) % 8);
  return Buffer.from(padded.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

/** Encodes an integer: RFC 7541, section 5.1. */
export function integerOf(value: number, prefixBits: number, pattern = 0): Buffer {
  const largest = 2 ** prefixBits - 1;
  if (value < largest) return Buffer.of(pattern | value);
  const bytes = [pattern | largest];
  let rest = value - largest;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

/** Encodes a string literal: RFC 7541, section 5.2. */
export function stringOf(text: string, isHuffman: boolean): Buffer {
  const plain = Buffer.from(text, "latin1");
  const content = isHuffman ? huffmanOf(plain) : plain;
  return Buffer.concat([integerOf(content.length, 7, isHuffman ? 0x80 : 0), content]);
}

export interface FieldStyle {
  readonly kind: "indexed" | "with indexing" | "without indexing" | "never indexed";
  /** Uses an indexed name if there is one, and an indexed field for the kind "indexed". */
  readonly position: number;
  readonly isNameIndexed: boolean;
  readonly isNameHuffman: boolean;
  readonly isValueHuffman: boolean;
}

const LITERALS = {
  "with indexing": { bits: 6, pattern: 0x40 },
  "without indexing": { bits: 4, pattern: 0x00 },
  "never indexed": { bits: 4, pattern: 0x10 },
};

/** Encoder that can use every representation, with a table that is a plain list. */
export class TestEncoder {
  #table: readonly HeaderField[] = [];
  #maxSize = 4_096;

  /** Encodes a field; without the entry that its style demands, as a literal with indexing or with a literal name. */
  encode(field: HeaderField, style: FieldStyle): Buffer {
    const all = [...STATIC_TABLE, ...this.#table];
    const exact = choose(all, style.position, (entry) => entry.name === field.name && entry.value === field.value);
    if (style.kind === "indexed" && exact > 0) return integerOf(exact, 7, 0x80);
    const kind = style.kind === "indexed" ? "with indexing" : style.kind;
    const name = style.isNameIndexed ? choose(all, style.position, (entry) => entry.name === field.name) : 0;
    if (kind === "with indexing") this.#insert(field);
    return Buffer.concat([
      integerOf(name, LITERALS[kind].bits, LITERALS[kind].pattern),
      name > 0 ? Buffer.alloc(0) : stringOf(field.name, style.isNameHuffman),
      stringOf(field.value, style.isValueHuffman),
    ]);
  }

  updateSize(maxSize: number): Buffer {
    this.#maxSize = maxSize;
    this.#table = fitting(this.#table, maxSize);
    return integerOf(maxSize, 5, 0x20);
  }

  #insert(field: HeaderField): void {
    this.#table = fitting([field, ...this.#table], this.#maxSize);
  }
}

/** Returns the index of a matching entry, which position chooses; 0 without one. */
function choose(entries: readonly HeaderField[], position: number, matches: (entry: HeaderField) => boolean): number {
  const indexes = entries.flatMap((entry, at) => (matches(entry) ? [at + 1] : []));
  return indexes[position % indexes.length] ?? 0;
}

/** The newest entries that together have at most the size. */
function fitting(entries: readonly HeaderField[], size: number): readonly HeaderField[] {
  let rest = size;
  const end = entries.findIndex(({ name, value }) => (rest -= name.length + value.length + 32) < 0);
  return end === -1 ? entries : entries.slice(0, end);
}
