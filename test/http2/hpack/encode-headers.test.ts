import { EMPTY_TABLE_UPDATE, encodeHeaders } from "../../../src/http2/hpack/encode-headers.js";
import { HpackDecoder } from "../../../src/http2/hpack/hpack-decoder.js";
import { bytesOf, WIDE_LIMITS } from "./support.js";

test.each([
  ["a field of the static table by its index", ":status", "200", "88"],
  ["a static name with another value by the name's first index", ":status", "201", "08 03323031"],
  ["a static name without a value", "content-type", "application/grpc", "0f10 10 6170706c69636174696f6e2f67727063"],
  ["a static entry without a value by its index", "content-type", "", "9f"],
  ["another field with a literal name", "grpc-status", "0", "00 0b677270632d737461747573 0130"],
  ["a name of the prototype of objects as any other", "constructor", "x", "00 0b636f6e7374727563746f72 0178"],
  ["characters that are not ASCII as single bytes", "x", "\u00fc", "00 0178 01fc"],
])("encodes %s", (_what, name, value, hex) => {
  expect(encodeHeaders([{ name, value }])).toEqual(bytesOf(hex));
});

test("encodes an empty list as an empty block", () => {
  expect(encodeHeaders([])).toHaveLength(0);
});

test.each([126, 127, 128, 254, 255, 16_510, 16_511, 100_000])("encodes a value of %d bytes", (length) => {
  const field = { name: "x", value: "v".repeat(length) };
  expect(new HpackDecoder(WIDE_LIMITS).decode(encodeHeaders([field, field])).fields).toEqual([field, field]);
});

test("empties the peer's table by a size update before a block", () => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  decoder.decode(bytesOf("40 0161 0162"));
  const block = Buffer.concat([EMPTY_TABLE_UPDATE, encodeHeaders([{ name: ":status", value: "200" }])]);
  expect(decoder.decode(block).fields).toEqual([{ name: ":status", value: "200" }]);
  expect(() => decoder.decode(bytesOf("be"))).toThrow("invalid index");
});
