import fc from "fast-check";
import { encodeHeaders } from "../../../src/http2/hpack/encode-headers.js";
import { fieldSize, type HeaderField } from "../../../src/http2/hpack/header-field.js";
import { type HeaderBlock, HpackDecoder, type HpackLimits } from "../../../src/http2/hpack/hpack-decoder.js";
import { HpackError } from "../../../src/http2/hpack/hpack-error.js";
import { STATIC_TABLE } from "../../../src/http2/hpack/static-table.js";
import { type FieldStyle, TestEncoder, WIDE_LIMITS } from "./support.js";

const texts = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("", "a", "te") },
  { weight: 8, arbitrary: fc.uint8Array().map(latin1) },
  { weight: 1, arbitrary: longTexts() },
);
const customFields = fc.record({ name: texts, value: texts });
const staticFields = fc.constantFrom(...STATIC_TABLE);
/** Fields that share names and values with the tables, and with each other. */
const fields: fc.Arbitrary<HeaderField> = fc.oneof(
  staticFields,
  customFields,
  fc.tuple(staticFields, texts).map(([{ name }, value]) => ({ name, value })),
  fc.constantFrom({ name: "grpc-timeout", value: "1S" }, { name: "grpc-timeout", value: "2S" }),
);

const styles: fc.Arbitrary<FieldStyle> = fc.record({
  kind: fc.constantFrom("indexed", "with indexing", "without indexing", "never indexed"),
  position: fc.nat(200),
  isNameIndexed: fc.boolean(),
  isNameHuffman: fc.boolean(),
  isValueHuffman: fc.boolean(),
});

const sizes = fc.oneof(fc.constantFrom(0, 33, 34, 100, 4_096), fc.nat(4_096));

/** A block: size updates, and fields with their representations. */
const plans = fc.record({
  updates: fc.array(sizes, { maxLength: 2 }),
  fields: fc.array(fc.tuple(fields, styles), { maxLength: 12 }),
});
type Plan = typeof plans extends fc.Arbitrary<infer T> ? T : never;
const connections = fc.array(plans, { minLength: 1, maxLength: 6 });

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function longTexts(): fc.Arbitrary<string> {
  return fc.tuple(fc.constantFrom("x", "\u00ff", "%"), fc.nat(5_000)).map(([unit, count]) => unit.repeat(count));
}

function encode(encoder: TestEncoder, plan: Plan): Buffer {
  const updates = plan.updates.map((size) => encoder.updateSize(size));
  return Buffer.concat([...updates, ...plan.fields.map(([field, style]) => encoder.encode(field, style))]);
}

function encodeAll(connection: readonly Plan[]): readonly Buffer[] {
  const encoder = new TestEncoder();
  return connection.map((plan) => encode(encoder, plan));
}

/** The longest beginning of a list that is within the limits. */
function limited(list: readonly HeaderField[], limits: HpackLimits): HeaderBlock {
  let rest = limits.listBytes;
  const end = list.findIndex((field, at) => at >= limits.fields || (rest -= fieldSize(field)) < 0);
  return end === -1 ? { fields: list, isTooLarge: false } : { fields: list.slice(0, end), isTooLarge: true };
}

test("decodes all representations of several blocks", () => {
  fc.assert(
    fc.property(connections, (connection) => {
      const decoder = new HpackDecoder(WIDE_LIMITS);
      encodeAll(connection).forEach((block, at) => {
        const list = connection[at]?.fields.map(([field]) => field);
        expect(decoder.decode(block)).toEqual({ fields: list, isTooLarge: false });
      });
    }),
    { numRuns: 200 },
  );
});

test("decodes the same fields up to the limits, and keeps the table in step, with any limits", () => {
  fc.assert(
    fc.property(connections, fc.nat(10_000), fc.nat(20), (connection, listBytes, count) => {
      const limits = { tableBytes: 4_096, listBytes, fields: count };
      const decoder = new HpackDecoder(limits);
      encodeAll(connection).forEach((block, at) => {
        const list = connection[at]?.fields.map(([field]) => field) ?? [];
        expect(decoder.decode(block)).toEqual(limited(list, limits));
      });
    }),
    { numRuns: 200 },
  );
});

test("decodes equal blocks equally while the version has not changed", () => {
  fc.assert(
    fc.property(connections, (connection) => {
      const decoder = new HpackDecoder(WIDE_LIMITS);
      for (const block of encodeAll(connection)) {
        const before = decoder.version;
        const first = decoder.decode(block);
        const again = decoder.version === before ? decoder.decode(block) : first;
        expect(again).toEqual(first);
      }
    }),
    { numRuns: 200 },
  );
});

const NARROW_LIMITS = { tableBytes: 4_096, listBytes: 300, fields: 5 };

/** Decodes blocks until the first error. Returns the lists and the error. */
function decodeAll(blocks: readonly Buffer[]): { readonly lists: (readonly HeaderField[])[]; readonly error: unknown } {
  const decoder = new HpackDecoder(NARROW_LIMITS);
  const lists: (readonly HeaderField[])[] = [];
  try {
    for (const block of blocks) lists.push(decoder.decode(block).fields);
  } catch (error) {
    return { lists, error };
  }
  return { lists, error: undefined };
}

/** Checks that lists are within the limits, and that the error is the right one. */
function expectBounded(blocks: readonly Buffer[]): void {
  const { lists, error } = decodeAll(blocks);
  expect(error ?? new HpackError()).toBeInstanceOf(HpackError);
  expect(lists.map((list) => limited(list, NARROW_LIMITS).isTooLarge)).toEqual(lists.map(() => false));
}

test("throws only HpackError and stays within the limits when it decodes arbitrary bytes", () => {
  const blocks = fc.array(
    fc.uint8Array({ size: "medium" }).map((bytes) => Buffer.from(bytes)),
    { maxLength: 4 },
  );
  fc.assert(fc.property(blocks, expectBounded), { numRuns: 1_000 });
});

test("throws only HpackError and stays within the limits when it decodes damaged blocks", () => {
  const damage = fc.record({ at: fc.nat(), byte: fc.nat(255), end: fc.option(fc.nat()) });
  fc.assert(
    fc.property(connections, damage, (connection, { at, byte, end }) => {
      const damaged = encodeAll(connection).map((block) => {
        if (block.length > 0) block[at % block.length] = byte;
        return block.subarray(0, end === null ? undefined : end % (block.length + 1));
      });
      expectBounded(damaged);
    }),
    { numRuns: 300 },
  );
});

test("throws HpackError when a block is truncated anywhere within a representation", () => {
  fc.assert(
    fc.property(fields, styles, (field, style) => {
      const block = new TestEncoder().encode(field, style);
      const step = Math.ceil(block.length / 50);
      for (let end = 1; end < block.length; end += step) {
        expect(() => new HpackDecoder(WIDE_LIMITS).decode(block.subarray(0, end))).toThrow(HpackError);
      }
    }),
  );
});

test("encodes header lists that decode to the same fields and leave the table alone", () => {
  fc.assert(
    fc.property(fc.array(fields), (list) => {
      const decoder = new HpackDecoder(WIDE_LIMITS);
      const { version } = decoder;
      expect(decoder.decode(encodeHeaders(list))).toEqual({ fields: list, isTooLarge: false });
      expect(decoder.version).toBe(version);
    }),
    { numRuns: 200 },
  );
});
