import { CarillonError } from "../../src/errors.js";
import { toCallerError } from "../../src/rpc/faults.js";
import { percentEncode } from "../../src/rpc/grpc/status-headers.js";
import { ignore } from "../../src/util/ignore.js";

/** Bytes of the largest text after encoding, and code units of the largest text. */
const MAX_ENCODED = 3_072;
const MAX_TEXT = 1_024;
const ELLIPSIS = 1;

test.each([
  "a",
  " ",
  "%",
  "\u0001",
  "\u007f",
  "\u0080",
  "é",
  "\u07ff",
  "\u0800",
  "€",
  "\uffff",
  "😀",
  "\u{10ffff}",
  "a😀é",
])("R17: cuts a long text of %j at the last character that fits", (character) => {
  const { message } = toCallerError(new CarillonError("not_found", character.repeat(3_000)), ignore);
  const text = message.slice(0, -ELLIPSIS);
  expect(message.endsWith("…")).toBe(true);
  expect(character.repeat(3_000).startsWith(text)).toBe(true);
  expect(Buffer.from(text).toString()).toBe(text);
  expect(encodeURI(text).length).toBeLessThanOrEqual(MAX_ENCODED);
  expect(percentEncode(text).length).toBeLessThanOrEqual(MAX_ENCODED);
  const [next = ""] = character.repeat(3_000).slice(text.length);
  const longer = text + next;
  expect(longer.length > MAX_TEXT || encodeURI(longer).length > MAX_ENCODED).toBe(true);
});

test("encodes each byte that is not printable ASCII, and only those", () => {
  for (let code = 0; code < 0x1_00_00; code += code < 0x1_00 ? 1 : 251) {
    const character = String.fromCodePoint(code);
    const isPrintable = code >= 0x20 && code <= 0x7e && code !== 0x25;
    const bytes = Buffer.from(character).toString("hex").toUpperCase();
    expect(percentEncode(`x${character}x`)).toBe(
      isPrintable ? `x${character}x` : `x${bytes.replaceAll(/../g, "%$&")}x`,
    );
  }
});
