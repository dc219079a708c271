import type { HeaderField } from "./header-field.js";
import { STATIC_TABLE } from "./static-table.js";

/** Entries of the static table with one name. */
interface StaticName {
  /** Index of the first entry. */
  readonly index: number;
  /** Indexes of the entries by value. */
  readonly values: Map<string, number>;
}

const STATIC_NAMES = groupByName();

/** Patterns and integer prefixes of the representations: RFC 7541, sections 6.1 and 6.2.2. */
const INDEXED = 0x80;
const INDEXED_PREFIX = 0x7f;
const LITERAL = 0x00;
const LITERAL_PREFIX = 0x0f;
/** A plain string: RFC 7541, section 5.2. */
const PLAIN = 0x00;
const LENGTH_PREFIX = 0x7f;

/** Maximum bytes of an integer up to 2^32. */
const MAX_INTEGER_BYTES = 6;

/**
 * Size update to zero: RFC 7541, section 6.3. The first block of a connection must begin with it, since
 * {@link encodeHeaders} never uses the table; the peer may then announce any size: RFC 7541, section 4.2.
 */
export const EMPTY_TABLE_UPDATE = Buffer.of(0x20);

/**
 * Encodes a header list without the dynamic table and without Huffman codes, so that the result suits every connection.
 * @param fields - names in lower case; all characters at most U+00FF
 */
export function encodeHeaders(fields: readonly HeaderField[]): Buffer {
  let capacity = 0;
  for (const { name, value } of fields) capacity += name.length + value.length + 3 * MAX_INTEGER_BYTES;
  const block = Buffer.allocUnsafe(capacity);
  let at = 0;
  for (const field of fields) at = writeField(block, at, field);
  return block.subarray(0, at);
}

function writeField(block: Buffer, at: number, { name, value }: HeaderField): number {
  const known = STATIC_NAMES.get(name);
  const index = known?.values.get(value);
  if (index !== undefined) return writeInteger(block, at, INDEXED, INDEXED_PREFIX, index);
  const afterIndex = writeInteger(block, at, LITERAL, LITERAL_PREFIX, known?.index ?? 0);
  const afterName = known === undefined ? writeString(block, afterIndex, name) : afterIndex;
  return writeString(block, afterName, value);
}

function writeString(block: Buffer, at: number, text: string): number {
  const start = writeInteger(block, at, PLAIN, LENGTH_PREFIX, text.length);
  return start + block.write(text, start, "latin1");
}

/**
 * Writes an integer: RFC 7541, section 5.1.
 * @param pattern - bits of the first byte outside of `prefix`
 * @param prefix - mask of the bits of the first byte that belong to the integer
 */
function writeInteger(block: Buffer, at: number, pattern: number, prefix: number, value: number): number {
  let next = at;
  if (value < prefix) {
    block[next++] = pattern | value;
    return next;
  }
  block[next++] = pattern | prefix;
  let rest = value - prefix;
  for (; rest >= 0x80; rest >>>= 7) block[next++] = (rest & 0x7f) | 0x80;
  block[next++] = rest;
  return next;
}

function groupByName(): ReadonlyMap<string, StaticName> {
  const names = new Map<string, StaticName>();
  STATIC_TABLE.forEach(({ name, value }, position) => {
    const known = names.get(name) ?? { index: position + 1, values: new Map<string, number>() };
    known.values.set(value, position + 1);
    names.set(name, known);
  });
  return names;
}
