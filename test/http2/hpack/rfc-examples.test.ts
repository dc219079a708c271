import type { HeaderField } from "../../../src/http2/hpack/header-field.js";
import { HpackDecoder } from "../../../src/http2/hpack/hpack-decoder.js";
import { bytesOf, WIDE_LIMITS } from "./support.js";

/** Examples of RFC 7541, appendix C. */

function fields(...pairs: readonly [string, string][]): readonly HeaderField[] {
  return pairs.map(([name, value]) => ({ name, value }));
}

/** Reads the dynamic table by its indexes. */
function readTable(decoder: HpackDecoder, count: number): readonly HeaderField[] {
  const indexes = Array.from({ length: count }, (_, at) => 0x80 | (62 + at));
  return decoder.decode(Buffer.from(indexes)).fields;
}

test.each([
  [
    "C.2.1, literal with indexing",
    "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
    "custom-key",
    "custom-header",
    true,
  ],
  ["C.2.2, literal without indexing", "040c 2f73 616d 706c 652f 7061 7468", ":path", "/sample/path", false],
  ["C.2.3, literal never indexed", "1008 7061 7373 776f 7264 0673 6563 7265 74", "password", "secret", false],
  ["C.2.4, indexed", "82", ":method", "GET", false],
])("decodes the example %s", (_example, hex, name, value, isIndexed) => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  expect(decoder.decode(bytesOf(hex))).toEqual({ fields: [{ name, value }], isTooLarge: false });
  const count = isIndexed ? 1 : 0;
  expect(readTable(decoder, count)).toEqual([{ name, value }].slice(0, count));
  expect(() => readTable(decoder, count + 1)).toThrow("invalid index");
});

const authority: [string, string] = [":authority", "www.example.com"];
const noCache: [string, string] = ["cache-control", "no-cache"];
const custom: [string, string] = ["custom-key", "custom-value"];
const root: [string, string][] = [[":method", "GET"], [":scheme", "http"], [":path", "/"], authority];

/** Lists and tables after each block of C.3 and C.4. */
const requests = [
  { list: fields(...root), table: fields(authority) },
  { list: fields(...root, noCache), table: fields(noCache, authority) },
  {
    list: fields([":method", "GET"], [":scheme", "https"], [":path", "/index.html"], authority, custom),
    table: fields(custom, noCache, authority),
  },
];

test.each([
  [
    "C.3, requests without Huffman codes",
    [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
  ],
  [
    "C.4, requests with Huffman codes",
    [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
  ],
])("decodes the examples of %s", (_section, blocks) => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  blocks.forEach((hex, at) => {
    expect(decoder.decode(bytesOf(hex)).fields).toEqual(requests[at]?.list);
    expect(readTable(decoder, at + 1)).toEqual(requests[at]?.table);
    expect(() => readTable(decoder, at + 2)).toThrow("invalid index");
  });
});

const status: [string, string] = [":status", "302"];
const redirected: [string, string] = [":status", "307"];
const cache: [string, string] = ["cache-control", "private"];
const date: [string, string] = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"];
const later: [string, string] = ["date", "Mon, 21 Oct 2013 20:13:22 GMT"];
const location: [string, string] = ["location", "https://www.example.com"];
const encoding: [string, string] = ["content-encoding", "gzip"];
const cookie: [string, string] = ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"];

/** Lists and tables after each block of C.5 and C.6, with a table of 256 bytes. */
const responses = [
  { list: fields(status, cache, date, location), table: fields(location, date, cache, status) },
  { list: fields(redirected, cache, date, location), table: fields(redirected, location, date, cache) },
  {
    list: fields([":status", "200"], cache, later, location, encoding, cookie),
    table: fields(cookie, encoding, later),
  },
];

test.each([
  [
    "C.5, responses without Huffman codes",
    [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
       546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      "4803 3330 37c1 c0bf",
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
       6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
       2076 6572 7369 6f6e 3d31`,
    ],
  ],
  [
    "C.6, responses with Huffman codes",
    [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
       8f0b 97c8 e9ae 82ae 43d3`,
      "4883 640e ffc1 c0bf",
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
       dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ],
  ],
])("decodes the examples of %s, and evicts entries", (_section, blocks) => {
  const decoder = new HpackDecoder(WIDE_LIMITS);
  // The examples presuppose a table of 256 bytes.
  decoder.decode(bytesOf("3fe101"));
  blocks.forEach((hex, at) => {
    const response = responses[at];
    expect(decoder.decode(bytesOf(hex)).fields).toEqual(response?.list);
    expect(readTable(decoder, response?.table.length ?? 0)).toEqual(response?.table);
    expect(() => readTable(decoder, (response?.table.length ?? 0) + 1)).toThrow("invalid index");
  });
});
