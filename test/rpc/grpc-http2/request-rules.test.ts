import { dataFrame, FLAG, headersFrame } from "../../../bench/fuzz/http2-frames.js";
import { type HeaderPair, literalHeaders } from "../../../bench/fuzz/http2-headers.js";
import { MESSAGES_IN, metric } from "../../support/nodes/metrics.js";
import { grpcFields } from "../../support/raw/http2-peer.js";
import { attackNode, openCallFrame, PUBLISH, PUBLISHED, publication, publishOn, UNAFFECTED } from "./support/attack.js";

const END = FLAG.endHeaders | FLAG.endStream;
const FIELDS = grpcFields(PUBLISH);
const BODY = publication();

/** A call with these fields and a complete body. */
function call(fields: readonly HeaderPair[]): Buffer {
  return Buffer.concat([headersFrame(1, literalHeaders(fields)), dataFrame(1, BODY, FLAG.endStream)]);
}

function replaced(name: string, value: string | undefined): HeaderPair[] {
  return grpcFields(PUBLISH, { [name]: value });
}

/** Reasons why a request is malformed, and its fields. RFC 9113, sections 8.2 and 8.3. */
const MALFORMED: readonly (readonly [cause: string, fields: readonly HeaderPair[]])[] = [
  ...["X-Upper", "content-Type", "a b", "a\tb", "a\0", "a\r", "a\n", "a:b", "a\x7f", "a\xff", ""].map(
    (name) => [`the name of a field is ${JSON.stringify(name)}`, [...FIELDS, [name, "1"] as const]] as const,
  ),
  ...["a\0b", "a\rb", "a\nb", "a\r\nb: c"].map(
    (value) => [`the value of a field is ${JSON.stringify(value)}`, [...FIELDS, ["x-value", value] as const]] as const,
  ),
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map(
    (name) => [`${name} is present`, [...FIELDS, [name, "close"] as const]] as const,
  ),
  ...["gzip", "trailers, deflate"].map((value) => [`te is ${value}`, replaced("te", value)] as const),
  ...[":method", ":scheme", ":path"].flatMap((name) => [
    [`${name} is missing`, replaced(name, undefined)] as const,
    [`${name} is empty`, replaced(name, "")] as const,
    [`${name} is repeated`, [[name, "/"] as const, ...FIELDS]] as const,
  ]),
  [":authority is repeated", [[":authority", "a"], ...FIELDS]],
  ["all fields are missing", []],
  ["a pseudo-header field is unknown", [[":unknown", "1"], ...FIELDS]],
  ["a pseudo-header field is one of responses", [[":status", "200"], ...FIELDS]],
  ["a pseudo-header field has an upper-case name", [[":PATH", "/"], ...FIELDS]],
  ["a pseudo-header field has a line break", replaced(":path", "/a\r\nb: c")],
  ...[` ${PUBLISH}`, `${PUBLISH} `, `\t${PUBLISH}`, `${PUBLISH}\t`].map(
    (path) => [`:path is ${JSON.stringify(path)}`, replaced(":path", path)] as const,
  ),
  ["space precedes the value of a pseudo-header field", replaced(":path", ` ${PUBLISH}`)],
  [":path follows a regular field", [...replaced(":path", undefined), [":path", PUBLISH]]],
  [":authority follows a regular field", [...replaced(":authority", undefined), [":authority", "localhost"]]],
  ["CONNECT has a path", replaced(":method", "CONNECT")],
  [":protocol is present without an extended CONNECT", [[":protocol", "websocket"], ...FIELDS]],
  ...[BODY.length - 1, BODY.length + 1, 0, -1, "x", "1e1", `${BODY.length}, ${BODY.length}x`].map(
    (length) => [`content-length is ${length}`, [...FIELDS, ["content-length", String(length)] as const]] as const,
  ),
  ["two lengths differ", [...FIELDS, ["content-length", String(BODY.length)], ["content-length", "1"]]],
];

/** Trailers of a request, valid or not. */
function trailers(fields: readonly HeaderPair[], flags = END): Buffer {
  const block = literalHeaders(fields);
  return Buffer.concat([openCallFrame(1), dataFrame(1, BODY), headersFrame(1, block, flags)]);
}

/** RFC 9113, section 8.1.1: a malformed request is an error of its stream. */
test.each([
  ...MALFORMED.map(([cause, fields]) => [cause, call(fields)] as const),
  ["trailers do not end the request", trailers([["x-end", "1"]], FLAG.endHeaders)] as const,
  ["trailers have a pseudo-header field", trailers([[":path", PUBLISH]])] as const,
  ["trailers have an upper-case name", trailers([["X-End", "1"]])] as const,
  ["trailers have a line break", trailers([["x-end", "1\r\n2"]])] as const,
  ["trailers have a field of the connection", trailers([["connection", "close"]])] as const,
])("resets a request and publishes nothing when %s", async (_, bytes) => {
  const { attacker, node, publishElsewhere } = await attackNode();
  expect(await attacker.outcomeOf(bytes, 1)).toBe("RST_STREAM PROTOCOL_ERROR");
  expect(await metric(node, MESSAGES_IN)).toBe(0);
  expect(await publishOn(attacker, 3)).toEqual(PUBLISHED);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

test.each<readonly [cause: string, bytes: Uint8Array]>([
  ["content-length is that of the body", call([...FIELDS, ["content-length", String(BODY.length)]])],
  [
    "the same content-length is repeated",
    call([...FIELDS, ["content-length", String(BODY.length)], ["content-length", String(BODY.length)]]),
  ],
  ["trailers end the request", trailers([["x-end", "1"]])],
  ["empty trailers end the request", trailers([])],
  ["values are empty, or have bytes of other alphabets", call([...FIELDS, ["x-empty", ""], ["x-latin", "\xe4\xff"]])],
  ["space is around the values of metadata", call([...FIELDS, ["x-before", " \ta"], ["x-behind", "a \t"]])],
  // RFC 9113 forbids it, but gRPC clients send it in metadata.
  ["space surrounds values", call([...FIELDS, ["x-before", " a"], ["x-after", "a\t"]])],
  ["host is present beside :authority", call([...FIELDS, ["host", "localhost"]])],
  ["cookies are split", call([...FIELDS, ["cookie", "a=1"], ["cookie", "b=2"]])],
])("publishes when %s", async (_, bytes) => {
  const { attacker, node } = await attackNode();
  attacker.send(bytes);
  expect(await attacker.answer(1)).toMatchObject({ reset: undefined });
  expect(await metric(node, MESSAGES_IN)).toBe(1);
});
