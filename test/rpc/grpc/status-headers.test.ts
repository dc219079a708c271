import { percentEncode } from "../../../src/rpc/grpc/status-headers.js";

test.each([
  ["", ""],
  ["plain text: {a}", "plain text: {a}"],
  ["100%", "100%25"],
  [" at both ends ", "%20at both ends%20"],
  ["a\nb\u007f", "a%0Ab%7F"],
  ["é 😀", "%C3%A9 %F0%9F%98%80"],
  ["half \ud800", "half %EF%BF%BD"],
])("encodes %j so that it can be decoded", (text, encoded) => {
  expect(percentEncode(text)).toBe(encoded);
  expect(decodeURIComponent(encoded)).toBe(Buffer.from(text).toString());
});
