import { setImmediate as nextTurn } from "node:timers/promises";
import {
  continuationFrame,
  dataFrame,
  FLAG,
  FRAME_TYPE,
  headersFrame,
  http2Frame,
  MAX_WINDOW,
  PREFACE,
  padded,
  priorityFields,
  SETTING,
  settingsFrame,
} from "../../../bench/fuzz/http2-frames.js";
import { indexedLiteral, literalHeaders, tableIndex, tableSizeUpdate } from "../../../bench/fuzz/http2-headers.js";
import { framed } from "../../support/raw/grpc.js";
import { connectHttp2, grpcCall, grpcFields, grpcStatus } from "../../support/raw/http2-peer.js";
import {
  attackNode,
  openCallFrame,
  PUBLISH,
  PUBLISH_STREAM,
  PUBLISHED,
  publication,
  publishOn,
  rounds,
  startHttp2Node,
  validCall,
} from "./support/attack.js";
import { startHttp2Mount } from "./support/mount.js";

// Legal requests that most clients do not send.

const BLOCK = literalHeaders(grpcFields(PUBLISH));
const BODY = publication();
const NOTHING = Buffer.alloc(0);
const INVALID_ARGUMENT = 3;

/** Splits bytes into pieces of one byte. */
function bytesOf(bytes: Uint8Array): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.of(byte));
}

/** Encodes HEADERS with one byte and a CONTINUATION frame for each other byte. */
function splitHeaders(stream: number): Buffer {
  const [first = Buffer.alloc(0), ...rest] = bytesOf(BLOCK);
  return Buffer.concat([
    headersFrame(stream, first, 0),
    ...rest.map((byte, index) => continuationFrame(stream, byte, index === rest.length - 1 ? FLAG.endHeaders : 0)),
  ]);
}

const PRIORITIZED = Buffer.concat([priorityFields(2 ** 31 + 3, 255), BLOCK]);
const END = dataFrame(1, BODY, FLAG.endStream);

test.each<readonly [form: string, bytes: readonly Uint8Array[]]>([
  ["DATA is padded", [openCallFrame(1), dataFrame(1, padded(BODY, 255), FLAG.padded | FLAG.endStream)]],
  ["DATA has padding of no bytes", [openCallFrame(1), dataFrame(1, padded(BODY, 0), FLAG.padded | FLAG.endStream)]],
  ["HEADERS is padded", [headersFrame(1, padded(BLOCK, 100), FLAG.padded | FLAG.endHeaders), END]],
  ["HEADERS has a priority", [headersFrame(1, PRIORITIZED, FLAG.priority | FLAG.endHeaders), END]],
  [
    "HEADERS has padding and a priority",
    [headersFrame(1, padded(PRIORITIZED, 9), FLAG.padded | FLAG.priority | FLAG.endHeaders), END],
  ],
  ["each byte of the header is in a CONTINUATION frame", [splitHeaders(1), END]],
  [
    "HEADERS and the last CONTINUATION are empty",
    [headersFrame(1, NOTHING, 0), continuationFrame(1, BLOCK, 0), continuationFrame(1, NOTHING), END],
  ],
  [
    "each byte of the body is in a DATA frame",
    [openCallFrame(1), ...bytesOf(BODY).map((byte) => dataFrame(1, byte)), dataFrame(1, "", FLAG.endStream)],
  ],
  [
    "empty DATA frames surround the body",
    [openCallFrame(1), dataFrame(1, ""), dataFrame(1, BODY), dataFrame(1, ""), dataFrame(1, "", FLAG.endStream)],
  ],
  [
    "trailers end the request",
    [
      openCallFrame(1),
      dataFrame(1, BODY),
      headersFrame(1, literalHeaders([["x-end", "1"]]), FLAG.endHeaders | FLAG.endStream),
    ],
  ],
  [
    "trailers have CONTINUATION",
    [
      openCallFrame(1),
      dataFrame(1, BODY),
      headersFrame(1, NOTHING, FLAG.endStream),
      continuationFrame(1, literalHeaders([["x-end", "1"]])),
    ],
  ],
  [
    "the reserved bits of streams are set",
    [headersFrame(2 ** 31 + 1, BLOCK), dataFrame(2 ** 31 + 1, BODY, FLAG.endStream)],
  ],
  [
    "fields enter the dynamic table, and are evicted",
    [
      headersFrame(
        1,
        Buffer.concat([tableSizeUpdate(0), tableSizeUpdate(100), ...grpcFields(PUBLISH).map(indexedLiteral)]),
      ),
      END,
    ],
  ],
])("publishes when %s", async (_, bytes) => {
  const { attacker } = await attackNode();
  attacker.send(...bytes);
  const answer = await attacker.answer(1);
  expect([grpcStatus(answer), answer.reset]).toEqual([0, undefined]);
  expect(await publishOn(attacker, 3)).toEqual(PUBLISHED);
});

test.each([PUBLISH, PUBLISH_STREAM])(
  "%s: publishes a message of which each byte has a DATA frame of its own",
  async (path) => {
    const { attacker } = await attackNode();
    // Work that grows with the square of the bytes would take minutes.
    const frames = bytesOf(publication(100_000)).map((byte) => dataFrame(1, byte));
    attacker.send(openCallFrame(1, path), ...frames, dataFrame(1, NOTHING, FLAG.endStream));
    expect(grpcStatus(await attacker.answer(1))).toBe(0);
  },
);

test("publishes when calls refer to entries of the dynamic table", async () => {
  const { attacker } = await attackNode();
  const fields = grpcFields(PUBLISH);
  // Later entries have lower indexes.
  const again = Buffer.concat(fields.map((_, index) => tableIndex(61 + fields.length - index)));
  attacker.send(headersFrame(1, Buffer.concat(fields.map(indexedLiteral))), END);
  expect(grpcStatus(await attacker.answer(1))).toBe(0);
  for (const stream of [3, 5, 7]) {
    attacker.send(headersFrame(stream, again), dataFrame(stream, BODY, FLAG.endStream));
    expect(grpcStatus(await attacker.answer(stream))).toBe(0);
  }
});

test("publishes when preface, settings and a call arrive in one segment", async () => {
  const node = await startHttp2Node();
  const peer = await connectHttp2(node.grpc, { opens: false });
  peer.send(PREFACE, settingsFrame(), validCall(1));
  expect(grpcStatus(await peer.answer(1))).toBe(0);
});

test("publishes when a connection arrives byte by byte", async () => {
  const node = await startHttp2Node();
  const peer = await connectHttp2(node.grpc, { opens: false });
  for (const byte of bytesOf(Buffer.concat([PREFACE, settingsFrame([SETTING.enablePush, 0]), validCall(1)]))) {
    peer.send(byte);
    await nextTurn();
  }
  expect(grpcStatus(await peer.answer(1))).toBe(0);
});

test("answers 200 calls that arrive in one segment", async () => {
  const { attacker } = await attackNode();
  attacker.send(rounds(200, validCall));
  for (let stream = 1; stream < 400; stream += 2) expect(grpcStatus(await attacker.answer(stream))).toBe(0);
});

test("publishes on the last possible stream", async () => {
  const { attacker } = await attackNode();
  expect(await publishOn(attacker, MAX_WINDOW)).toEqual(PUBLISHED);
});

test("answers a ping with its data", async () => {
  const { attacker } = await attackNode();
  const payload = Buffer.from("00ff7f8001020304", "hex");
  attacker.send(http2Frame(FRAME_TYPE.ping, 0, 0, payload));
  const answer = await attacker.next((frame) => frame.type === FRAME_TYPE.ping && frame.payload.equals(payload));
  expect(answer.flags).toBe(FLAG.ack);
});

test("acknowledges each settings frame", async () => {
  const { attacker } = await attackNode();
  expect(await attacker.outcomeOf(Buffer.concat([settingsFrame([SETTING.headerTableSize, 0]), settingsFrame()]))).toBe(
    "tolerated",
  );
  const answers = attacker.received.filter(({ flags, type }) => type === FRAME_TYPE.settings && flags === FLAG.ack);
  // The first one is that of the preface.
  expect(answers).toHaveLength(3);
});

test.each<readonly [form: string, settings: readonly (readonly [number, number])[]]>([
  ["a table of no bytes", [[SETTING.headerTableSize, 0]]],
  ["a table of 4 GiB", [[SETTING.headerTableSize, 2 ** 32 - 1]]],
  ["the largest frames", [[SETTING.maxFrameSize, 2 ** 24 - 1]]],
  ["header lists of 4 GiB", [[SETTING.maxHeaderListSize, 2 ** 32 - 1]]],
  ["no streams for pushes", [[SETTING.maxConcurrentStreams, 0]]],
])("publishes when the client's settings allow %s", async (_, settings) => {
  const { attacker } = await attackNode({ settings });
  expect(await publishOn(attacker, 1)).toEqual(PUBLISHED);
});

test("keeps the other calls when a stream is refused whose messages are on their way", async () => {
  const { attacker } = await attackNode();
  attacker.send(openCallFrame(1), openCallFrame(3, PUBLISH_STREAM), dataFrame(3, framed(NOTHING, 0xff)));
  expect(grpcStatus(await attacker.answer(3))).toBe(INVALID_ARGUMENT);
  const message = dataFrame(3, BODY);
  expect(await attacker.outcomeOf(Buffer.concat(Array.from({ length: 5_000 }, () => message)))).toBe("tolerated");
  attacker.send(dataFrame(1, BODY, FLAG.endStream));
  expect(grpcStatus(await attacker.answer(1))).toBe(0);
});

test("L7: lets pending calls finish between the two GOAWAY frames of a stop, and answers calls on their way", async () => {
  const { address, mount } = await startHttp2Mount();
  const peer = await connectHttp2(address, { acknowledges: false });
  peer.send(openCallFrame(1));
  await peer.ping();
  const closed = mount.close();
  // This call is on its way when the server says that it stops.
  peer.send(validCall(3));
  await peer.next(({ type }) => type === FRAME_TYPE.goaway);
  expect(peer.goaways).toEqual([{ code: "NO_ERROR", lastStream: MAX_WINDOW }]);
  const { payload } = await peer.next(({ flags, type }) => type === FRAME_TYPE.ping && flags === 0);
  peer.send(http2Frame(FRAME_TYPE.ping, FLAG.ack, 0, payload));
  expect(grpcStatus(await peer.answer(3))).toBe(0);
  await peer.next(({ type }) => type === FRAME_TYPE.goaway);
  expect(peer.goaways.at(-1)).toEqual({ code: "NO_ERROR", lastStream: 3 });
  // Calls from now on are ignored, with all their frames.
  peer.send(grpcCall(5, PUBLISH, BODY), dataFrame(1, BODY, FLAG.endStream));
  expect(grpcStatus(await peer.answer(1))).toBe(0);
  await peer.closed;
  await closed;
  expect(peer.received.filter(({ stream }) => stream === 5)).toEqual([]);
});
