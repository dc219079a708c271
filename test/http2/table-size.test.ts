import { FLAG, headersFrame, PREFACE, SETTINGS_ACK, settingsFrame } from "../../bench/fuzz/http2-frames.js";
import { literalHeaders, tableSizeUpdate } from "../../bench/fuzz/http2-headers.js";
import { Http2Connection } from "../../src/http2/http2-connection.js";
import { HTTP2_LIMITS } from "../../src/http2/http2-limits.js";
import { ignore } from "../../src/util/ignore.js";

const TABLE_BYTES = 512;
const REQUEST = literalHeaders([
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
]);
const RESIZED_REQUEST = Buffer.concat([tableSizeUpdate(TABLE_BYTES), REQUEST]);

/** Opens a connection whose table is smaller than the default. */
function openConnection(): Http2Connection<true> {
  const connection = new Http2Connection<true>({
    limits: { ...HTTP2_LIMITS, tableBytes: TABLE_BYTES },
    now: () => 0,
    readHead: () => true,
    onStream: () => ({ onData: ignore, onEnd: ignore, onDrain: ignore, onClose: ignore }),
  });
  connection.receive(Buffer.concat([PREFACE, settingsFrame()]));
  return connection;
}

function request(stream: number, block: Uint8Array): Buffer {
  return headersFrame(stream, block, FLAG.endHeaders | FLAG.endStream);
}

test("accepts requests when the client changes its table with its acknowledgment of a smaller one", () => {
  const connection = openConnection();
  connection.receive(request(1, REQUEST));
  connection.receive(Buffer.concat([SETTINGS_ACK, request(3, RESIZED_REQUEST), request(5, REQUEST)]));
  expect([connection.openStreams, connection.isOver]).toEqual([3, false]);
});

test("ends the connection when the client has acknowledged a smaller table and does not change its own", () => {
  const connection = openConnection();
  connection.receive(Buffer.concat([SETTINGS_ACK, request(1, REQUEST)]));
  expect([connection.openStreams, connection.isOver]).toEqual([0, true]);
});
