import fc from "fast-check";
import { decodeHuffman } from "../../../src/http2/hpack/decode-huffman.js";
import { HpackError } from "../../../src/http2/hpack/hpack-error.js";
import { bytesOf, huffmanOf } from "./support.js";

/** The bytes 0 to 255 in order, as the hpack package of golang.org/x/net encodes them. */
const ALL_BYTES = `
  ffc7fffd8fffffe2fffffe3fffffe4fffffe5fffffe6fffffe7fffffe8ffffeafffffff3fffffa7fffffabffffffdfffffebfffffecfff
  ffedfffffeefffffefffffff0ffffff1ffffff2fffffffbfffffcffffffd3fffffd7fffffdbfffffdffffffe3fffffe7fffffebfffffed
  4fe3f9ffaffcabf1febfafefe7fdfd2cbb00089969b71d79fb9f7fff20ffbff3ff50ddbd7f061c58f265cd9f469d5af66dddbf871e5f9c
  ff7ff7fffc3ff9ffe45fff4719242cb34e6e9d68a6a3d7dac426defe3cfaf7fffbfe7ffbffdffffffcfffe6ffff4bfff9ffffa3fffd3ff
  ff53fffd5ffffb3fffeb7fffdaffffb7ffff73fffeeffffdeffffebffffbfffffd9ffffdbfffebffffe0ffffeeffffc3ffff8bffff1fff
  fe4fffee7fffb1ffff97fffd9ffffcdffff9fffffbffffdafffeeffff4ffffb7fffee7fffe8ffffd3fffdeffffd5fffeeffffbdffffe1f
  ffdfffff7fffff5ffffecffff07fff87fffe0ffff17fffedffff87ffff77fffeffffeaffff8bfffe3ffff93ffff87fffcbffff37ffff1f
  ffff83ffffe1fffebfffe3ffff3fffff2ffffa3ffffd9fffff17ffffc7fffff27ffffdefffffbffffff2fffff8fffffb7fff97fff8ffff
  fe6fffffc1fffff87ffffe7fffffc5ffffe5fffe4ffff2fffffd1fffff4ffffffefffffe3fffffc9fffff97fffb3ffffcffffb7fffcdff
  ff4ffff9ffffd1ffffcffffeaffffafffffddffffeffffff4fffff5fffffabffffa7ffffd7fffff9bffffecfffffb7fffff3fffffe8fff
  ffd3fffffabfffff5fffffff7ffffecfffffdbfffffbbfffff7ffffff0fffffbbf
`;
const EOS = 256;

function decode(bytes: Buffer): string {
  return decodeHuffman(bytes, 0, bytes.length);
}

test("decodes every byte as another implementation encodes it", () => {
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  expect(decode(bytesOf(ALL_BYTES))).toBe(String.fromCharCode(...all));
  expect(huffmanOf(all).toString("hex")).toBe(bytesOf(ALL_BYTES).toString("hex"));
});

test("decodes any string of bytes, short or long", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom(1, 300), (bytes, count) => {
      const text = Buffer.concat(Array.from({ length: count }, () => bytes)).toString("latin1");
      expect(decode(huffmanOf(Buffer.from(text, "latin1")))).toBe(text);
    }),
  );
});

test("decodes only the given part of the bytes", () => {
  expect(decodeHuffman(Buffer.concat([Buffer.of(0), huffmanOf(Buffer.from("abc")), Buffer.of(0)]), 1, 3)).toBe("abc");
});

test("decodes the empty string", () => {
  expect(decode(Buffer.alloc(0))).toBe("");
});

test.each([1, 2, 3, 4, 5, 6, 7])("accepts %d ones as padding and nothing else of that length", (length) => {
  // Codes of 5 and of 6 bits leave every number of bits to the next byte.
  const counts = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((five) => [0, 1, 2, 3].map((six) => [five, six] as const));
  const [five = 0, six = 0] = counts.find(([a, b]) => (5 * a + 6 * b) % 8 === 8 - length) ?? [];
  const text = "a".repeat(five) + "b".repeat(six);
  expect(decode(huffmanOf(Buffer.from(text)))).toBe(text);
  for (let zero = 0; zero < length; zero++) {
    const padding = `${"1".repeat(zero)}0${"1".repeat(length - zero - 1)}`;
    const bytes = huffmanOf(Buffer.from(text), padding);
    // Some paddings are complete codes; then no padding or a valid one follows.
    expect(outcome(bytes)).not.toBe(text);
  }
});

/** The decoded text, or the error's text. */
function outcome(bytes: Buffer): string {
  try {
    return decode(bytes);
  } catch (error) {
    return (error as Error).message;
  }
}

test.each([
  ["a whole byte of padding", Buffer.of(0xff)],
  ["a whole byte of padding after a text", Buffer.concat([huffmanOf(Buffer.from("a")), Buffer.of(0xff)])],
  ["two bytes of padding", Buffer.concat([huffmanOf(Buffer.from("a")), Buffer.of(0xff, 0xff)])],
  ["29 bits of padding", bytesOf("ff9fffffff")],
  ["padding with zeros", huffmanOf(Buffer.from("a"), "000")],
  ["a truncated code", huffmanOf(Buffer.of(0)).subarray(0, 1)],
  ["EOS alone", huffmanOf([EOS])],
  ["EOS after a text", huffmanOf([0x61, EOS])],
  ["EOS before a text", huffmanOf([EOS, 0x61, 0x61])],
  ["EOS before a text that ends at a byte", bytesOf("fffffffc 1863")],
])("rejects %s", (_what, bytes) => {
  expect(() => decode(bytes)).toThrow(HpackError);
});

test("decodes only canonical text from arbitrary bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = outcome(Buffer.from(bytes));
      fc.pre(text !== "invalid Huffman code");
      expect(huffmanOf(Buffer.from(text, "latin1"))).toEqual(Buffer.from(bytes));
    }),
    { numRuns: 300 },
  );
});
