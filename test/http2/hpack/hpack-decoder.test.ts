import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { HpackDecoder } from "../../../src/http2/hpack/hpack-decoder.js";
import { HpackError } from "../../../src/http2/hpack/hpack-error.js";
import { bytesOf, huffmanOf, integerOf, stringOf, WIDE_LIMITS } from "./support.js";

/** A literal with indexing, "a: b", which is the newest entry afterwards. */
const INSERT = "40 0161 0162";
const FIELD = { name: "a", value: "b" };
/** The indexed field of the newest entry of the dynamic table. */
const NEWEST = 0x80 | 62;

function withIndexing(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0x40), stringOf(name, false), stringOf(value, false)]);
}

test.each([
  ["index 0", "80", "invalid index"],
  ["an index behind the static table while the dynamic table is empty", "be", "invalid index"],
  ["an index behind the dynamic table", `${INSERT} bf`, "invalid index"],
  ["the largest index", "ff 80ffffff0f", "invalid index"],
  ["a name's index behind the tables", "7e 0162", "invalid index"],
  ["a name's index behind the tables, without indexing", "0f2f 0162", "invalid index"],
  ["a truncated index", "ff", "truncated header block"],
  ["a truncated index after a continuation", "ff80", "truncated header block"],
  ["a truncated index of a name", "7f", "truncated header block"],
  ["a missing name", "40", "truncated header block"],
  ["a truncated length of a name", "40 7f", "truncated header block"],
  ["a truncated name", "40 0261", "truncated string"],
  ["a missing value", "40 0161", "truncated header block"],
  ["a missing value of an indexed name", "44", "truncated header block"],
  ["a truncated value", "44 0261", "truncated string"],
  ["a truncated value with Huffman codes", "44 821c", "truncated string"],
  ["a truncated literal without indexing", "04 02 61", "truncated string"],
  ["a truncated literal never indexed", "10 0161", "truncated header block"],
  ["an invalid Huffman code of a name", "40 81ff 00", "invalid Huffman code"],
  ["an invalid Huffman code of a value", "44 84ffffffff", "invalid Huffman code"],
  ["a string of the largest length", "44 7f 80ffffff0f 61", "truncated string"],
  ["an integer of more than 32 bits", "44 7f 81ffffff0f 61", "integer too large"],
  ["an integer of 35 bits", "ff ffffffff7f", "integer too large"],
  ["an integer with six continuation bytes", "44 7f 808080808000 61", "integer too large"],
  ["an endless integer", `ff${"80".repeat(1_000)}`, "integer too large"],
  ["a size update above the announced size", "3fe21f", "size update above the announced size"],
  ["a second size update above the announced size", "20 3fe21f", "size update above the announced size"],
  ["a truncated size update", "3f", "truncated header block"],
  ["a size update after an indexed field", "82 20", "size update after a field"],
  ["a size update after a literal", `${INSERT} 3fe11f`, "size update after a field"],
  ["a third size update", "20 3fe11f 3fe11f", "too many size updates"],
  ["an index that a size update has evicted", "20 be", "invalid index"],
])("rejects %s", (_what, hex, message) => {
  const decode = () => new HpackDecoder(WIDE_LIMITS).decode(bytesOf(hex));
  expect(decode).toThrow(HpackError);
  expect(decode).toThrow(message);
});

test.each([
  ["an empty block", "", []],
  ["nothing but a size update", "3fe11f", []],
  ["two size updates before a field", "20 3fe11f 82", [{ name: ":method", value: "GET" }]],
  ["an empty name and an empty value", "00 00 00", [{ name: "", value: "" }]],
  ["empty strings with Huffman codes", "00 80 80", [{ name: "", value: "" }]],
  ["bytes that are not ASCII", "00 02c3bc 01ff", [{ name: "\u00c3\u00bc", value: "\u00ff" }]],
  ["the last static entry", "bd", [{ name: "www-authenticate", value: "" }]],
])("accepts %s", (_what, hex, fields) => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  expect(decoder.decode(bytesOf(hex))).toEqual({ fields, isTooLarge: false });
});

test("accepts an integer with superfluous zeros when it has at most five continuation bytes", () => {
  const value = "x".repeat(127);
  const block = Buffer.concat([bytesOf("04 7f 8080808000"), Buffer.from(value)]);
  expect(new HpackDecoder(WIDE_LIMITS).decode(block).fields).toEqual([{ name: ":path", value }]);
});

test("returns the table's own object for each indexed field", () => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  const [inserted] = decoder.decode(bytesOf(INSERT)).fields;
  const { fields } = decoder.decode(Buffer.of(NEWEST, 0x82, NEWEST, 0x82));
  expect(fields[0]).toBe(inserted);
  expect(fields[2]).toBe(inserted);
  expect(fields[3]).toBe(fields[1]);
});

test("evicts the oldest entries when a new entry exceeds the size", () => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  // Three entries of 34 bytes fit into 102 bytes.
  decoder.decode(bytesOf(`3f47 ${INSERT} 40 0163 0164 40 0165 0166`));
  expect(decoder.decode(bytesOf("be bf c0")).fields.map(({ name }) => name)).toEqual(["e", "c", "a"]);
  decoder.decode(bytesOf("40 0167 00"));
  expect(decoder.decode(bytesOf("be bf c0")).fields.map(({ name }) => name)).toEqual(["g", "e", "c"]);
  expect(() => decoder.decode(bytesOf("c1"))).toThrow("invalid index");
});

test("empties the table when a field is larger than the table", () => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  decoder.decode(bytesOf(INSERT));
  const large = { name: "n", value: "v".repeat(4_096 - 32) };
  expect(decoder.decode(withIndexing(large.name, large.value)).fields).toEqual([large]);
  expect(() => decoder.decode(Buffer.of(NEWEST))).toThrow("invalid index");
});

test("keeps an entry that fills the table", () => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  const large = { name: "n", value: "v".repeat(4_096 - 33) };
  decoder.decode(withIndexing(large.name, large.value));
  expect(decoder.decode(Buffer.of(NEWEST)).fields).toEqual([large]);
});

test("uses the name of an entry that the new entry evicts", () => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  decoder.decode(bytesOf(`3f03 ${INSERT}`));
  expect(decoder.decode(bytesOf("7e 0163")).fields).toEqual([{ name: "a", value: "c" }]);
  expect(decoder.decode(Buffer.of(NEWEST)).fields).toEqual([{ name: "a", value: "c" }]);
});

test("evicts entries when a size update shrinks the table, and keeps the others when it grows", () => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  decoder.decode(bytesOf(`${INSERT} 40 0163 0164`));
  decoder.decode(bytesOf("3f03 3fe11f"));
  expect(decoder.decode(Buffer.of(NEWEST)).fields).toEqual([{ name: "c", value: "d" }]);
  expect(() => decoder.decode(Buffer.of(NEWEST + 1))).toThrow("invalid index");
});

test.each([0, 100])("demands a size update when the peer has acknowledged a table of %d bytes", (tableBytes) => {
  const decoder = new HpackDecoder({ ...WIDE_LIMITS, tableBytes });
  expect(decoder.decode(bytesOf(`${INSERT} be`)).fields).toEqual([FIELD, FIELD]);
  decoder.acknowledgeSettings();
  expect(() => decoder.decode(bytesOf("82"))).toThrow("missing size update");
  decoder.decode(Buffer.concat([integerOf(tableBytes, 5, 0x20), bytesOf("82")]));
  expect(decoder.decode(bytesOf("82")).fields).toHaveLength(1);
  expect(() => decoder.decode(integerOf(tableBytes + 1, 5, 0x20))).toThrow("size update above the announced size");
});

test("allows a larger table only after the peer has acknowledged it", () => {
  const limits = { ...WIDE_LIMITS, tableBytes: 8_192 };
  const update = integerOf(8_192, 5, 0x20);
  expect(() => new HpackDecoder(limits).decode(update)).toThrow("size update above the announced size");
  const decoder = new HpackDecoder(limits);
  decoder.acknowledgeSettings();
  expect(decoder.decode(bytesOf("82")).fields).toHaveLength(1);
  const large = { name: "n", value: "v".repeat(5_000) };
  decoder.decode(Buffer.concat([update, withIndexing(large.name, large.value)]));
  expect(decoder.decode(Buffer.of(NEWEST)).fields).toEqual([large]);
});

test("changes the version when a block changes the table, and only then", () => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  const versions = ["82", INSERT, "be", "0f2f 0163", "1f2f 0163", "3fe11f", "82", "20", "82"].map((hex) => {
    const before = decoder.version;
    decoder.decode(bytesOf(hex));
    return decoder.version !== before;
  });
  expect(versions).toEqual([false, true, false, false, false, true, false, true, false]);
  const before = decoder.version;
  decoder.acknowledgeSettings();
  expect(decoder.version).not.toBe(before);
});

const SMALL_LIMITS = { tableBytes: 4_096, listBytes: 8_192, fields: 100 };

test("ends a list of many references to a large entry at the limit of bytes", () => {
  const decoder = new HpackDecoder(SMALL_LIMITS);
  const value = "v".repeat(3_000);
  decoder.decode(withIndexing("n", value));
  const { fields, isTooLarge } = decoder.decode(Buffer.alloc(1 << 20, NEWEST));
  expect(isTooLarge).toBe(true);
  expect(fields).toEqual([
    { name: "n", value },
    { name: "n", value },
  ]);
  expect(fields[1]).toBe(fields[0]);
});

test("ends a list of many small fields at the limit of fields", () => {
  const decoder = new HpackDecoder(SMALL_LIMITS);
  expect(decoder.decode(Buffer.alloc(100, 0x82))).toMatchObject({ isTooLarge: false });
  const { fields, isTooLarge } = decoder.decode(Buffer.alloc(1 << 20, 0x82));
  expect(isTooLarge).toBe(true);
  expect(fields).toHaveLength(100);
});

test("ends a list at the limit of bytes and takes no later field, even if it would fit", () => {
  const decoder = new HpackDecoder({ ...SMALL_LIMITS, listBytes: 2 * 34 });
  expect(decoder.decode(bytesOf(`${INSERT} be`))).toEqual({ fields: [FIELD, FIELD], isTooLarge: false });
  expect(decoder.decode(bytesOf("be 00 0161 03626262 be"))).toEqual({ fields: [FIELD], isTooLarge: true });
});

test("updates the table beyond the limits of a list", () => {
  const decoder = new HpackDecoder({ ...SMALL_LIMITS, fields: 1 });
  const block = decoder.decode(bytesOf(`82 ${INSERT} 40 0163 0164`));
  expect(block).toEqual({ fields: [{ name: ":method", value: "GET" }], isTooLarge: true });
  expect(decoder.decode(Buffer.of(NEWEST)).fields).toEqual([{ name: "c", value: "d" }]);
  expect(decoder.decode(Buffer.of(NEWEST + 1)).fields).toEqual([FIELD]);
});

test("rejects a malformed rest of a block beyond the limits of a list", () => {
  expect(() => new HpackDecoder({ ...SMALL_LIMITS, fields: 1 }).decode(bytesOf("82 82 80"))).toThrow("invalid index");
});

/** Blocks of about 1 MiB that are expensive to decode. */
const LARGE = 1 << 20;
const hard: readonly (readonly [string, () => Buffer, number])[] = [
  ["many insertions", () => Buffer.from("400000".repeat(LARGE / 3), "hex"), Math.floor(LARGE / 3)],
  ["a long string", () => Buffer.concat([Buffer.of(0, 0), stringOf("x".repeat(LARGE), false)]), 1],
  [
    "a long string of short Huffman codes",
    () => {
      const content = huffmanOf(Buffer.alloc(8_192, "a"));
      const long = Buffer.concat(Array.from({ length: LARGE / content.length }, () => content));
      return Buffer.concat([Buffer.of(0, 0), integerOf(long.length, 7, 0x80), long]);
    },
    1,
  ],
  ["many references", () => Buffer.alloc(LARGE, 0x82), LARGE],
];

test.each(hard)("decodes a block of %s in linear time", (_what, block, count) => {
  // Quadratic time would exceed the test's timeout.
  const decoder = new HpackDecoder({ tableBytes: 4_096, listBytes: 100 * LARGE, fields: LARGE });
  expect(decoder.decode(block()).fields).toHaveLength(count);
});

/** Returns the bytes of the heap that each of many results holds. */
function heapBytesOf(count: number, create: () => unknown): number {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const kept = Array.from({ length: count }, create);
  collectGarbage();
  const bytes = process.memoryUsage().heapUsed - before;
  expect(kept).toHaveLength(count);
  return bytes / count;
}

test("takes less than 1 KiB of memory when the table is empty", () => {
  expect(heapBytesOf(5_000, () => new HpackDecoder(SMALL_LIMITS))).toBeLessThan(1_024);
});

test("keeps nothing in memory but the entries of the table", () => {
  const literal = Buffer.concat([Buffer.of(0), stringOf("x", false), stringOf("x".repeat(8_000), false)]);
  const small = Buffer.from("400000".repeat(128), "hex");
  const large = Buffer.concat(Array.from({ length: 128 }, () => withIndexing("n", "v".repeat(3_000))));
  const block = Buffer.concat([literal, small, large]);
  const create = () => {
    const decoder = new HpackDecoder(SMALL_LIMITS);
    decoder.decode(block);
    return decoder;
  };
  // An entry of 3,000 bytes, and the slots of the 128 entries that the table held before.
  expect(heapBytesOf(200, create)).toBeLessThan(8_192);
});
