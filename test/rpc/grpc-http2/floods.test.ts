import {
  continuationFrame,
  dataFrame,
  FLAG,
  headersFrame,
  http2Frame,
  MAX_WINDOW,
  padded,
  pingFrame,
  priorityFrame,
  rstStreamFrame,
  SETTING,
  SETTINGS_ACK,
  settingsFrame,
  windowUpdateFrame,
} from "../../../bench/fuzz/http2-frames.js";
import { literalHeaders } from "../../../bench/fuzz/http2-headers.js";
import { MESSAGES_IN, metric } from "../../support/nodes/metrics.js";
import { grpcFields } from "../../support/raw/http2-peer.js";
import {
  attackNode,
  emptyCallFrame,
  FLOOD,
  openCallFrame,
  PUBLISH,
  PUBLISHED,
  publishOn,
  rounds,
  UNAFFECTED,
  validCall,
} from "./support/attack.js";

const EMPTY = Buffer.alloc(0);

const MALFORMED_BLOCK = literalHeaders([...grpcFields(PUBLISH), ["X-Upper", "1"]]);
const MALFORMED_TRAILERS = literalHeaders([["X", "1"]]);
const SHORT_BLOCK = literalHeaders(grpcFields(PUBLISH, { "content-length": "1" }));

/** Encodes a call whose fields are malformed, so that the server resets it. */
function malformedCall(stream: number): Buffer {
  return headersFrame(stream, MALFORMED_BLOCK, FLAG.endHeaders | FLAG.endStream);
}

/** Frames that are repeated, by stream number. */
type Repeated = (stream: number) => Uint8Array;

/** Calls that the client or, because of the client's mistake, the server resets. */
const RESETS: readonly (readonly [attack: string, repeated: Repeated])[] = [
  ["cancels each call at once (CVE-2023-44487)", (id) => Buffer.concat([openCallFrame(id), rstStreamFrame(id)])],
  ["cancels each call after its body", (id) => Buffer.concat([validCall(id), rstStreamFrame(id)])],
  ["sends DATA after each request (CVE-2025-8671)", (id) => Buffer.concat([validCall(id), dataFrame(id, "x")])],
  ["sends HEADERS after each request", (id) => Buffer.concat([validCall(id), emptyCallFrame(id)])],
  [
    "overflows the window of each stream",
    (id) => Buffer.concat([openCallFrame(id), windowUpdateFrame(id, MAX_WINDOW)]),
  ],
  ["sends WINDOW_UPDATE of 0 in each stream", (id) => Buffer.concat([openCallFrame(id), windowUpdateFrame(id, 0)])],
  [
    "sends PRIORITY of a wrong size in each stream",
    (id) => Buffer.concat([openCallFrame(id), http2Frame(2, 0, id, "1")]),
  ],
  ["makes each stream depend on itself", (id) => Buffer.concat([openCallFrame(id), priorityFrame(id, id)])],
  ["sends malformed requests (CVE-2019-9514)", malformedCall],
  [
    "sends malformed trailers",
    (id) => Buffer.concat([openCallFrame(id), headersFrame(id, MALFORMED_TRAILERS, FLAG.endHeaders | FLAG.endStream)]),
  ],
  ["sends more than the content-length", (id) => Buffer.concat([headersFrame(id, SHORT_BLOCK), dataFrame(id, "12")])],
  ["opens streams beyond the maximum", openCallFrame],
];

test.each(RESETS)("ends the connection before all requests are read when a client %s", async (_, repeated) => {
  // Without a window, no call is complete before it is reset.
  const { attacker, node, publishElsewhere } = await attackNode({ settings: [[SETTING.initialWindowSize, 0]] });
  expect(await attacker.outcomeOf(rounds(FLOOD, repeated))).toMatch(/^GOAWAY (?!NO_ERROR)/);
  // Nothing beyond the bound was begun.
  expect(attacker.goaways.at(-1)?.lastStream).toBeLessThan(FLOOD);
  expect(await metric(node, MESSAGES_IN)).toBeLessThan(FLOOD / 2);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

const MANY_SETTINGS = settingsFrame(
  ...Array.from({ length: 100 }, (_, value) => [SETTING.initialWindowSize, value] as const),
);

/** Frames that cost work and bring none. */
const FRAMES: readonly (readonly [attack: string, before: Uint8Array, repeated: Repeated])[] = [
  ["pings (CVE-2019-9512)", EMPTY, () => pingFrame()],
  ["acknowledgments of pings", EMPTY, () => pingFrame("12345678", FLAG.ack)],
  ["empty SETTINGS (CVE-2019-9515)", EMPTY, () => settingsFrame()],
  [
    "SETTINGS that change each stream's window",
    openCallFrame(1),
    (id) => settingsFrame([SETTING.initialWindowSize, id]),
  ],
  ["SETTINGS of 100 entries", openCallFrame(1), () => MANY_SETTINGS],
  ["acknowledgments of SETTINGS", EMPTY, () => SETTINGS_ACK],
  [
    "PRIORITY of a cycle",
    EMPTY,
    (id) => Buffer.concat([priorityFrame(1, 3), priorityFrame(3, 1), priorityFrame(id, id + 2)]),
  ],
  ["WINDOW_UPDATE of the connection", EMPTY, () => windowUpdateFrame(0, 1)],
  ["WINDOW_UPDATE of a stream", openCallFrame(1), () => windowUpdateFrame(1, 1)],
  ["WINDOW_UPDATE of closed streams", emptyCallFrame(2 * FLOOD + 1), (id) => windowUpdateFrame(id, 1)],
  ["RST_STREAM of closed streams", emptyCallFrame(2 * FLOOD + 1), (id) => rstStreamFrame(id)],
  ["empty DATA (CVE-2019-9518)", openCallFrame(1), () => dataFrame(1, "")],
  ["DATA of padding only", openCallFrame(1), () => dataFrame(1, padded(EMPTY, 0), FLAG.padded)],
  ["empty CONTINUATION", headersFrame(1, EMPTY, 0), () => continuationFrame(1, EMPTY, 0)],
  ["empty PUSH_PROMISE", openCallFrame(1), () => http2Frame(5, FLAG.endHeaders, 1, "\0\0\0\x02")],
  ["unknown frames", EMPTY, (id) => http2Frame(0x77, 0, id)],
  ["GOAWAY", EMPTY, () => http2Frame(7, 0, 0, "\0\0\0\0\0\0\0\0")],
];

test.each(FRAMES)("ends the connection when a client floods it with %s", async (_, before, repeated) => {
  const { attacker, publishElsewhere } = await attackNode();
  const flood = Buffer.concat([before, rounds(FLOOD, repeated)]);
  expect(await attacker.outcomeOf(flood)).toMatch(/^GOAWAY (ENHANCE_YOUR_CALM|PROTOCOL_ERROR)$/);
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

test.each<readonly [attack: string, repeated: Repeated]>([
  ["pings", () => pingFrame()],
  ["SETTINGS", () => settingsFrame()],
  ["malformed requests", malformedCall],
])("ends a connection that floods it with %s and reads nothing", async (_, repeated) => {
  const { attacker, publishElsewhere } = await attackNode();
  attacker.socket.pause();
  const ended = attacker.closed;
  attacker.send(rounds(FLOOD, repeated));
  // Publishing elsewhere goes on until the server has ended this connection.
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
  attacker.socket.resume();
  await ended;
  expect(await publishElsewhere()).toEqual(UNAFFECTED);
});

/** Encodes a call with the other frames of an ordinary client. */
function busyCall(id: number): Buffer {
  return Buffer.concat([
    validCall(id),
    pingFrame(),
    windowUpdateFrame(0, 100),
    windowUpdateFrame(id, 100),
    priorityFrame(id, 0),
    ...(id % 8 === 1 ? [openCallFrame(id + 2), rstStreamFrame(id + 2)] : []),
  ]);
}

test("keeps a connection whose pings, updates and cancellations belong to calls", async () => {
  const { attacker } = await attackNode();
  for (let first = 1; first < 8_000; first += 400) {
    const streams = Array.from({ length: 100 }, (_, index) => first + 4 * index);
    attacker.send(...streams.map(busyCall));
    for (const stream of streams) expect((await attacker.answer(stream)).reset).toBeUndefined();
  }
  expect(await publishOn(attacker, 9_001)).toEqual(PUBLISHED);
  expect(attacker.goaways).toEqual([]);
});
