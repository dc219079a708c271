import { createHttpRefusal, MalformedAnswer } from "../../src/access/hooks/hook-answer.js";
import { HttpRefusal } from "../../src/access/hooks/http-refusal.js";
import { CarillonError } from "../../src/errors.js";

const BODY = Buffer.from("no");

function headersOf(...headers: [string, string][]): unknown {
  return new HttpRefusal({ status: 403, headers, body: BODY }).headers;
}

test.each([
  [400, "invalid_argument"],
  [401, "unauthenticated"],
  [402, "permission_denied"],
  [403, "permission_denied"],
  [404, "not_found"],
  [418, "permission_denied"],
  [429, "resource_exhausted"],
  [500, "internal"],
  [503, "unavailable"],
  [599, "unavailable"],
])("maps status %i to %s", (status, code) => {
  const refusal = new HttpRefusal({ status, headers: [], body: BODY });
  expect(refusal).toBeInstanceOf(CarillonError);
  expect([refusal.status, refusal.code, refusal.body]).toEqual([status, code, BODY]);
});

test.each([0, 100, 101, 200, 299, 600, 403.5, Number.NaN])("refuses the status %d", (status) => {
  expect(() => new HttpRefusal({ status, headers: [], body: BODY })).toThrow(RangeError);
});

test("keeps headers in order, repeated ones too", () => {
  const headers: [string, string][] = [
    ["Content-Type", "text/plain"],
    ["Set-Cookie", "a=1; Path=/"],
    ["x-reason", "no, really"],
    ["set-cookie", "b=2"],
  ];
  expect(headersOf(...headers)).toEqual(headers);
});

test("omits headers about the backend's connection or the length", () => {
  expect(
    headersOf(
      ["Connection", "close, X-Private"],
      ["Keep-Alive", "timeout=5"],
      ["Transfer-Encoding", "chunked"],
      ["Content-Length", "1000"],
      ["Trailer", "x"],
      ["Upgrade", "websocket"],
      ["TE", "trailers"],
      ["Proxy-Connection", "close"],
      ["x-private", "1"],
      ["x-public", "1"],
    ),
  ).toEqual([["x-public", "1"]]);
});

/** Checks an answer of a backend with this header. */
function answered(name: string, value: string): unknown {
  return createHttpRefusal({ status: 403, headers: [{ name, value }], body: BODY }).headers;
}

test.each([
  "Connection",
  "content-length",
  "HTTP2-Settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "Sec-WebSocket-Accept",
  "sec-websocket-protocol",
])("omits %s, and rejects an answer that sets it", (name) => {
  expect(headersOf([name, "1"], ["x-good", "1"])).toEqual([["x-good", "1"]]);
  expect(() => answered(name, "1")).toThrow(MalformedAnswer);
  expect(answered("x-good", "1")).toEqual([["x-good", "1"]]);
});

test.each([
  ["a line break", "x-a", "1\r\nx-evil: 1"],
  ["a bare line feed", "x-a", "1\nx-evil: 1"],
  ["a NUL", "x-a", "1\0"],
  ["characters beyond latin1", "x-a", "\u010d\u010a"],
  ["a line break in the name", "x-a\r\nx-evil", "1"],
  ["a colon in the name", "x-a: 1", "1"],
  ["no name", "", "1"],
])("O8: omits a header with %s, and rejects an answer that sets it", (_, name, value) => {
  expect(headersOf([name, value], ["x-good", "1"])).toEqual([["x-good", "1"]]);
  expect(() => answered(name, value)).toThrow(MalformedAnswer);
});
