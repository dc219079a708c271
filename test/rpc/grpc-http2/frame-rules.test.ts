import {
  continuationFrame,
  DEFAULT_FRAME_SIZE,
  dataFrame,
  FLAG,
  FRAME_TYPE,
  goawayFrame,
  headersFrame,
  http2Frame,
  MAX_WINDOW,
  PREFACE,
  padded,
  pingFrame,
  priorityFields,
  priorityFrame,
  rstStreamFrame,
  SETTING,
  SETTINGS_ACK,
  settingsFrame,
  windowUpdateFrame,
} from "../../../bench/fuzz/http2-frames.js";
import { literalHeaders } from "../../../bench/fuzz/http2-headers.js";
import { grpcFields } from "../../support/raw/http2-peer.js";
import {
  attackNode,
  emptyCallFrame,
  openCallFrame,
  PUBLISH,
  PUBLISHED,
  publishOn,
  UNAFFECTED,
  validCall,
} from "./support/attack.js";

const BLOCK = literalHeaders(grpcFields(PUBLISH));
const HALF = BLOCK.subarray(0, 20);
const REST = BLOCK.subarray(20);

/** Error code, what the client sends, and its bytes. */
type Violation = readonly [code: string, cause: string, bytes: readonly Uint8Array[]];

/** RFC 9113, section 4.2 and the sections of 6 on each frame. */
const SIZES: readonly Violation[] = [
  ["FRAME_SIZE_ERROR", "a frame is larger than SETTINGS_MAX_FRAME_SIZE", [http2Frame(0x77, 0, 0, "", 16_385)]],
  ["FRAME_SIZE_ERROR", "DATA is too large", [openCallFrame(1), dataFrame(1, Buffer.alloc(DEFAULT_FRAME_SIZE + 1))]],
  ["FRAME_SIZE_ERROR", "a frame claims 16 MiB", [http2Frame(FRAME_TYPE.data, 0, 1, "", 0xff_ff_ff)]],
  ["FRAME_SIZE_ERROR", "HEADERS with a priority has 4 bytes", [headersFrame(1, BLOCK.subarray(0, 4), 0x24)]],
  ["FRAME_SIZE_ERROR", "padded DATA is empty", [openCallFrame(1), dataFrame(1, "", FLAG.padded)]],
  ["FRAME_SIZE_ERROR", "padded HEADERS is empty", [headersFrame(1, Buffer.alloc(0), FLAG.padded | FLAG.endHeaders)]],
  ["FRAME_SIZE_ERROR", "RST_STREAM has 3 bytes", [openCallFrame(1), http2Frame(FRAME_TYPE.rstStream, 0, 1, "123")]],
  ["FRAME_SIZE_ERROR", "RST_STREAM has 5 bytes", [openCallFrame(1), http2Frame(FRAME_TYPE.rstStream, 0, 1, "12345")]],
  ["FRAME_SIZE_ERROR", "SETTINGS has 5 bytes", [http2Frame(FRAME_TYPE.settings, 0, 0, "12345")]],
  [
    "FRAME_SIZE_ERROR",
    "an acknowledgment of SETTINGS has a payload",
    [http2Frame(FRAME_TYPE.settings, 1, 0, "123456")],
  ],
  ["FRAME_SIZE_ERROR", "PING has 7 bytes", [pingFrame("1234567")]],
  ["FRAME_SIZE_ERROR", "PING has 9 bytes", [pingFrame("123456789")]],
  ["FRAME_SIZE_ERROR", "an acknowledgment of PING has 7 bytes", [pingFrame("1234567", FLAG.ack)]],
  ["FRAME_SIZE_ERROR", "GOAWAY has 7 bytes", [http2Frame(FRAME_TYPE.goaway, 0, 0, "1234567")]],
  ["FRAME_SIZE_ERROR", "WINDOW_UPDATE has 3 bytes", [http2Frame(FRAME_TYPE.windowUpdate, 0, 0, "123")]],
  ["FRAME_SIZE_ERROR", "WINDOW_UPDATE has 5 bytes", [http2Frame(FRAME_TYPE.windowUpdate, 0, 0, "12345")]],
  ["PROTOCOL_ERROR", "the padding of DATA is longer than its frame", [openCallFrame(1), dataFrame(1, "\x08123", 8)]],
  ["PROTOCOL_ERROR", "the padding of DATA fills its frame", [openCallFrame(1), dataFrame(1, "\x04123", 8)]],
  ["PROTOCOL_ERROR", "the padding of HEADERS is longer than its frame", [headersFrame(1, Buffer.from("\xff123"), 12)]],
  [
    "FRAME_SIZE_ERROR",
    "padded HEADERS with a priority has 5 bytes",
    [headersFrame(1, padded(priorityFields(0), 0).subarray(0, 5), 0x2c)],
  ],
];

/** RFC 9113, sections 5.1, 5.1.1 and 6. */
const STREAMS: readonly Violation[] = [
  ["PROTOCOL_ERROR", "DATA is on stream 0", [dataFrame(0, "x")]],
  ["PROTOCOL_ERROR", "HEADERS is on stream 0", [headersFrame(0, BLOCK)]],
  ["PROTOCOL_ERROR", "PRIORITY is on stream 0", [priorityFrame(0, 1)]],
  ["PROTOCOL_ERROR", "RST_STREAM is on stream 0", [rstStreamFrame(0)]],
  ["PROTOCOL_ERROR", "CONTINUATION is on stream 0", [headersFrame(1, HALF, 0), continuationFrame(0, REST)]],
  ["PROTOCOL_ERROR", "SETTINGS is on a stream", [http2Frame(FRAME_TYPE.settings, 0, 1)]],
  ["PROTOCOL_ERROR", "PING is on a stream", [http2Frame(FRAME_TYPE.ping, 0, 1, "12345678")]],
  ["PROTOCOL_ERROR", "GOAWAY is on a stream", [http2Frame(FRAME_TYPE.goaway, 0, 1, "12345678")]],
  ["PROTOCOL_ERROR", "DATA is on an idle stream", [dataFrame(1, "x")]],
  ["PROTOCOL_ERROR", "RST_STREAM is on an idle stream", [rstStreamFrame(1)]],
  ["PROTOCOL_ERROR", "WINDOW_UPDATE is on an idle stream", [windowUpdateFrame(1, 1)]],
  ["PROTOCOL_ERROR", "HEADERS is on an even stream", [openCallFrame(2)]],
  ["PROTOCOL_ERROR", "DATA is on an even stream", [dataFrame(2, "x")]],
  ["PROTOCOL_ERROR", "WINDOW_UPDATE is on an even stream", [windowUpdateFrame(2, 1)]],
  ["STREAM_CLOSED", "HEADERS is on a stream that has ended", [emptyCallFrame(1), emptyCallFrame(1)]],
  ["PROTOCOL_ERROR", "CONTINUATION follows no HEADERS", [continuationFrame(1, BLOCK)]],
  ["PROTOCOL_ERROR", "CONTINUATION follows complete HEADERS", [openCallFrame(1), continuationFrame(1, BLOCK)]],
  ["PROTOCOL_ERROR", "CONTINUATION is on another stream", [headersFrame(1, HALF, 0), continuationFrame(3, REST)]],
  ["PROTOCOL_ERROR", "PING interrupts a header block", [headersFrame(1, HALF, 0), pingFrame()]],
  ["PROTOCOL_ERROR", "HEADERS interrupts a header block", [headersFrame(1, HALF, 0), openCallFrame(3)]],
  ["PROTOCOL_ERROR", "an unknown frame interrupts a header block", [headersFrame(1, HALF, 0), http2Frame(0x77, 0, 1)]],
  [
    "PROTOCOL_ERROR",
    "a client sends PUSH_PROMISE",
    [openCallFrame(1), http2Frame(5, FLAG.endHeaders, 1, "\0\0\0\x02")],
  ],
];

/** RFC 9113, sections 6.5.2 and 6.9. */
const VALUES: readonly Violation[] = [
  ["PROTOCOL_ERROR", "ENABLE_PUSH is 2", [settingsFrame([SETTING.enablePush, 2])]],
  ["PROTOCOL_ERROR", "MAX_FRAME_SIZE is 16383", [settingsFrame([SETTING.maxFrameSize, 16_383])]],
  ["PROTOCOL_ERROR", "MAX_FRAME_SIZE is 2^24", [settingsFrame([SETTING.maxFrameSize, 2 ** 24])]],
  ["FLOW_CONTROL_ERROR", "INITIAL_WINDOW_SIZE is 2^31", [settingsFrame([SETTING.initialWindowSize, 2 ** 31])]],
  [
    "FLOW_CONTROL_ERROR",
    "INITIAL_WINDOW_SIZE makes a stream's window overflow",
    [openCallFrame(1), windowUpdateFrame(1, 1_000_000), settingsFrame([SETTING.initialWindowSize, MAX_WINDOW])],
  ],
  ["FLOW_CONTROL_ERROR", "the connection's window overflows", [windowUpdateFrame(0, MAX_WINDOW)]],
  ["PROTOCOL_ERROR", "WINDOW_UPDATE of the connection is 0", [windowUpdateFrame(0, 0)]],
];

test.each([...SIZES, ...STREAMS, ...VALUES])("sends GOAWAY %s when %s", async (code, _, bytes) => {
  const { attacker, publishElsewhere } = await attackNode();
  expect(await attacker.outcomeOf(Buffer.concat(bytes))).toBe(`GOAWAY ${code}`);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

test("sends GOAWAY when a second preface is sent", async () => {
  const { attacker, publishElsewhere } = await attackNode();
  // Its first bytes are the length of a frame, 5,263,945 bytes.
  expect(await attacker.outcomeOf(PREFACE)).toBe("GOAWAY FRAME_SIZE_ERROR");
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

test("names the last request in GOAWAY when the connection ends", async () => {
  const { attacker } = await attackNode();
  expect(await attacker.outcomeOf(Buffer.concat([openCallFrame(7), pingFrame("1")]))).toBe("GOAWAY FRAME_SIZE_ERROR");
  expect(attacker.goaways.at(-1)).toMatchObject({ lastStream: 7 });
});

/** A call whose answer waits for a window, so that its stream is half-closed. */
const WAITING_CALL = Buffer.concat([settingsFrame([SETTING.initialWindowSize, 0]), validCall(1)]);
const OPEN_WINDOW = settingsFrame([SETTING.initialWindowSize, 65_535]);

/** RFC 9113, sections 5.1, 5.4.2, 6.3 and 6.9. */
test.each<Violation>([
  ["STREAM_CLOSED", "DATA follows the end of a request", [WAITING_CALL, dataFrame(1, "x"), OPEN_WINDOW]],
  ["STREAM_CLOSED", "HEADERS follows the end of a request", [WAITING_CALL, emptyCallFrame(1), OPEN_WINDOW]],
  ["STREAM_CLOSED", "DATA follows the end of a stream", [emptyCallFrame(1), dataFrame(1, "x")]],
  ["FRAME_SIZE_ERROR", "PRIORITY has 4 bytes", [openCallFrame(1), http2Frame(FRAME_TYPE.priority, 0, 1, "1234")]],
  ["FRAME_SIZE_ERROR", "PRIORITY has 6 bytes", [openCallFrame(1), http2Frame(FRAME_TYPE.priority, 0, 1, "123456")]],
  ["PROTOCOL_ERROR", "WINDOW_UPDATE of a stream is 0", [openCallFrame(1), windowUpdateFrame(1, 0)]],
  ["FLOW_CONTROL_ERROR", "a stream's window overflows", [openCallFrame(1), windowUpdateFrame(1, MAX_WINDOW)]],
])("resets the stream with %s, and keeps the connection, when %s", async (code, _, bytes) => {
  const { attacker } = await attackNode();
  expect(await attacker.outcomeOf(Buffer.concat(bytes), 1)).toBe(`RST_STREAM ${code}`);
  expect(await publishOn(attacker, 3)).toEqual(PUBLISHED);
});

test.each<readonly [cause: string, code: RegExp, stream: number]>([
  ["a stream's number decreases", /^GOAWAY (PROTOCOL_ERROR|STREAM_CLOSED)$/, 3],
  ["a stream's number is used again", /^(GOAWAY|RST_STREAM) (PROTOCOL_ERROR|STREAM_CLOSED)$/, 5],
])("ends the connection when %s", async (_, code, stream) => {
  const { attacker, publishElsewhere } = await attackNode();
  expect(await publishOn(attacker, 5)).toEqual(PUBLISHED);
  attacker.send(emptyCallFrame(stream));
  expect(await attacker.outcome(stream)).toMatch(code);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

/** RFC 9113, sections 4.1, 5.1, 5.5, 6.3, 6.5.3, 6.7 and 6.8. */
test.each<readonly [cause: string, bytes: readonly Uint8Array[]]>([
  ["unknown frames on the connection and on streams", [http2Frame(0x77, 0xff, 0, "abc"), http2Frame(0x78, 0, 5)]],
  ["unknown flags and the reserved bit of the stream", [http2Frame(FRAME_TYPE.ping, 0xfe, 2 ** 31, "12345678")]],
  ["an unknown setting", [settingsFrame([0x77, 7], [SETTING.enablePush, 0], [SETTING.enablePush, 1])]],
  ["an acknowledgment without settings, or of an unknown ping", [SETTINGS_ACK, pingFrame("12345678", FLAG.ack)]],
  ["the priority of an idle or closed stream", [priorityFrame(1, 0, 255), priorityFrame(9, 1), priorityFrame(1, 9)]],
  [
    "RST_STREAM and WINDOW_UPDATE after the end of a stream",
    [windowUpdateFrame(1, 9), rstStreamFrame(1), rstStreamFrame(1)],
  ],
  ["the largest frame", [http2Frame(0x77, 0, 0, Buffer.alloc(DEFAULT_FRAME_SIZE))]],
])("ignores %s", async (_, bytes) => {
  const { attacker } = await attackNode();
  expect(await publishOn(attacker, 1)).toEqual(PUBLISHED);
  expect(await attacker.outcomeOf(Buffer.concat(bytes))).toBe("tolerated");
  expect(await publishOn(attacker, 11)).toEqual(PUBLISHED);
});

test("refuses further streams, and answers the others, when more than the maximum are open", async () => {
  const { attacker, publishElsewhere } = await attackNode();
  const most = (await attacker.serverSettings()).get(SETTING.maxConcurrentStreams);
  if (most === undefined) throw new Error("the server announces no maximum");
  const open = Array.from({ length: most }, (_, index) => openCallFrame(2 * index + 1));
  expect(await attacker.outcomeOf(Buffer.concat(open))).toBe("tolerated");
  const extra = 2 * most + 1;
  expect(await attacker.outcomeOf(validCall(extra), extra)).toBe("RST_STREAM REFUSED_STREAM");
  attacker.send(rstStreamFrame(1));
  expect(await publishOn(attacker, extra + 2)).toEqual(PUBLISHED);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

test("answers pending calls when the client sends GOAWAY", async () => {
  const { attacker } = await attackNode();
  const [headers, body] = [openCallFrame(1), validCall(1).subarray(openCallFrame(1).length)];
  expect(await attacker.outcomeOf(Buffer.concat([headers, goawayFrame(0)]))).toBe("tolerated");
  attacker.send(body);
  expect((await attacker.answer(1)).reset).toBeUndefined();
});
