import { continuationFrame, DEFAULT_FRAME_SIZE, FLAG, headersFrame } from "../../../bench/fuzz/http2-frames.js";
import {
  type HeaderPair,
  hpackInteger,
  hpackString,
  indexedLiteral,
  literalHeaders,
  tableIndex,
  tableSizeUpdate,
} from "../../../bench/fuzz/http2-headers.js";
import { MESSAGES_IN, metric } from "../../support/nodes/metrics.js";
import { grpcFields, grpcStatus, type Http2Peer } from "../../support/raw/http2-peer.js";
import { attackNode, PUBLISH, PUBLISHED, publishOn, rounds, UNAFFECTED } from "./support/attack.js";

const FIELDS = grpcFields(PUBLISH);
const BLOCK = literalHeaders(FIELDS);
const END = FLAG.endHeaders | FLAG.endStream;

/** Splits a block of any size into HEADERS and CONTINUATION frames. */
function headerFrames(stream: number, block: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let offset = 0; offset < block.length; offset += DEFAULT_FRAME_SIZE)
    parts.push(block.subarray(offset, offset + DEFAULT_FRAME_SIZE));
  const [first = Buffer.alloc(0), ...rest] = parts;
  return Buffer.concat([
    headersFrame(stream, first, rest.length === 0 ? END : FLAG.endStream),
    ...rest.map((part, index) => continuationFrame(stream, part, index === rest.length - 1 ? FLAG.endHeaders : 0)),
  ]);
}

/** RFC 7541, sections 2.3.3, 4.2, 5.1, 5.2, 6.1 and 6.3. */
test.each<readonly [cause: string, block: readonly Uint8Array[]]>([
  ["an index is 0", [BLOCK, tableIndex(0)]],
  ["an index is beyond the tables", [BLOCK, tableIndex(62)]],
  ["an index is 2^31", [BLOCK, hpackInteger(2 ** 31, 7, 0x80)]],
  ["the index of a name is beyond the tables", [BLOCK, hpackInteger(62, 4, 0), hpackString("1")]],
  ["an index has more than 10 bytes", [BLOCK, Buffer.of(0xff, ...Array.from({ length: 12 }, () => 0x80), 0)]],
  ["an index is cut off", [BLOCK, Buffer.of(0xff)]],
  ["an index is cut off after a byte", [BLOCK, Buffer.of(0xff, 0x80)]],
  ["a name is cut off", [BLOCK, Buffer.of(0), hpackString("name").subarray(0, 3)]],
  ["a value is missing", [BLOCK, Buffer.of(0), hpackString("name")]],
  ["a string claims 2^31 bytes", [BLOCK, Buffer.of(0), hpackInteger(2 ** 31, 7, 0), Buffer.from("x")]],
  ["a string claims 2^60 bytes", [BLOCK, Buffer.of(0), hpackInteger(2 ** 60, 7, 0), Buffer.from("x")]],
  ["a table is made larger than announced", [tableSizeUpdate(4_097), BLOCK]],
  ["a table is made as large as 2^31", [tableSizeUpdate(2 ** 31), BLOCK]],
  ["the size of the table changes after a field", [BLOCK, tableSizeUpdate(0)]],
  ["an entry is used that was evicted", [indexedLiteral(["a", "b"]), tableSizeUpdate(0), tableIndex(62)]],
  ["a Huffman code has the symbol EOS", [BLOCK, Buffer.of(0, 0x84, 0xff, 0xff, 0xff, 0xff), hpackString("1")]],
  ["a Huffman code ends with 8 bits of padding", [BLOCK, Buffer.of(0, 0x82, 0x1f, 0xff), hpackString("1")]],
  ["a Huffman code is padded with zeros", [BLOCK, Buffer.of(0, 0x81, 0x18), hpackString("1")]],
])("sends GOAWAY COMPRESSION_ERROR when %s", async (_, block) => {
  const { attacker, publishElsewhere } = await attackNode();
  expect(await attacker.outcomeOf(headersFrame(1, Buffer.concat(block), END))).toBe("GOAWAY COMPRESSION_ERROR");
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

/** Reads how a call was refused: by a status of HTTP or gRPC, or by its reset. */
async function refusalOf(peer: Http2Peer, stream: number): Promise<string> {
  const answer = await peer.answer(stream);
  const status = grpcStatus(answer);
  if (status !== undefined) return `grpc-status ${status}`;
  return answer.headers.get(":status") ?? `RST_STREAM ${answer.reset}`;
}

const REFUSED = /^(grpc-status 8|431|RST_STREAM (PROTOCOL_ERROR|ENHANCE_YOUR_CALM))$/;

const BIG: HeaderPair = ["x-big", "v".repeat(4_000)];

/** RFC 9113, sections 6.5.2 and 10.5.1. */
test.each<readonly [attack: string, block: Buffer]>([
  [
    "expands a field of 4,000 bytes with each byte (HPACK bomb)",
    Buffer.concat([BLOCK, indexedLiteral(BIG), Buffer.alloc(12_000, tableIndex(62))]),
  ],
  ["has 12,000 short fields", Buffer.concat([BLOCK, Buffer.alloc(12_000, tableIndex(17))])],
  ["has 5,000 fields without name and value (CVE-2019-9516)", Buffer.concat([BLOCK, Buffer.alloc(15_000)])],
  ["has a value of 100,000 bytes", literalHeaders([...FIELDS, ["x-big", "v".repeat(100_000)]])],
  ["has a name of 100,000 bytes", literalHeaders([...FIELDS, ["n".repeat(100_000), "1"]])],
])("refuses a call whose header %s, and keeps the table", async (_, block) => {
  const { attacker, node, publishElsewhere } = await attackNode();
  attacker.send(headerFrames(1, block));
  expect(await refusalOf(attacker, 1)).toMatch(REFUSED);
  expect(await metric(node, MESSAGES_IN)).toBe(0);
  // The table's entries are those that the client expects.
  attacker.send(headersFrame(3, Buffer.concat([BLOCK, indexedLiteral(["x-a", "1"]), tableIndex(62)]), END));
  expect((await attacker.answer(3)).reset).toBeUndefined();
  expect(await publishOn(attacker, 5)).toEqual(PUBLISHED);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

test("keeps the memory of a thousand HPACK bombs bounded", async () => {
  const { attacker, publishElsewhere } = await attackNode();
  const bomb = Buffer.concat([BLOCK, indexedLiteral(BIG), Buffer.alloc(12_000, tableIndex(62))]);
  const before = process.memoryUsage().rss;
  await attacker.outcomeOf(rounds(1_000, (stream) => headersFrame(stream, bomb, END)));
  // Expanded, they have 48 GB.
  expect(process.memoryUsage().rss - before).toBeLessThan(500_000_000);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

/** Block with the beginning of a value of 1 GB. */
const LONG_VALUE = Buffer.concat([BLOCK, Buffer.of(0), hpackString("x-long"), hpackInteger(1_000_000_000, 7, 0)]);

/** RFC 9113, section 10.5.1; CVE-2024-27316 and others. */
test.each<readonly [attack: string, part: Buffer, count: number, start: Buffer]>([
  ["of full frames", Buffer.alloc(DEFAULT_FRAME_SIZE, literalHeaders([["x", "1"]])), 2_000, BLOCK],
  ["of one field each", literalHeaders([["x", "1"]]), 50_000, BLOCK],
  ["of one byte each", tableIndex(17), 50_000, BLOCK],
  ["without bytes", Buffer.alloc(0), 50_000, BLOCK],
  ["of one long value", Buffer.alloc(DEFAULT_FRAME_SIZE, "v"), 2_000, LONG_VALUE],
])("ends the connection when CONTINUATION frames %s never end", async (_, part, count, start) => {
  const { attacker, publishElsewhere } = await attackNode();
  const frames = Buffer.concat(Array.from({ length: count }, () => continuationFrame(1, part, 0)));
  attacker.send(headersFrame(1, start, 0), frames);
  expect(await attacker.outcome()).toMatch(/^GOAWAY (ENHANCE_YOUR_CALM|PROTOCOL_ERROR|COMPRESSION_ERROR)$/);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});
