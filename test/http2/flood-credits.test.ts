import {
  FLAG,
  headersFrame,
  PREFACE,
  pingFrame,
  rstStreamFrame,
  settingsFrame,
} from "../../bench/fuzz/http2-frames.js";
import { literalHeaders } from "../../bench/fuzz/http2-headers.js";
import { encodeHeaders } from "../../src/http2/hpack/encode-headers.js";
import { Http2Connection } from "../../src/http2/http2-connection.js";
import { HTTP2_LIMITS } from "../../src/http2/http2-limits.js";

const REQUEST = literalHeaders([
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
]);
const ANSWER = encodeHeaders([{ name: ":status", value: "200" }]);

/** A connection whose clock the test sets. It answers the requests that have ended. */
class ClockedConnection {
  now = 0;
  readonly connection = new Http2Connection({
    limits: HTTP2_LIMITS,
    now: () => this.now,
    readHead: () => true,
    onStream: (stream) => ({
      onData: () => {},
      onEnd: () => stream.respond(ANSWER, true),
      onDrain: () => {},
      onClose: () => {},
    }),
  });

  constructor() {
    this.receive(PREFACE, settingsFrame());
  }

  receive(...frames: readonly Uint8Array[]): void {
    this.connection.receive(Buffer.concat(frames));
    this.connection.takeOutput();
  }
}

/** Milliseconds in which a credit returns. */
const INTERVAL = 1_000 / HTTP2_LIMITS.creditsPerSecond;

/** Pings 10,000 times. @returns whether the connection is over */
function pingEach(interval: number): boolean {
  const client = new ClockedConnection();
  for (let count = 0; count < 10_000; count += 1) {
    client.receive(pingFrame());
    client.now += interval;
  }
  return client.connection.isOver;
}

test("keeps a connection when its pings are as rare as the credits that return, and ends it when they are not", () => {
  expect(pingEach(INTERVAL)).toBe(false);
  expect(pingEach(INTERVAL / 2)).toBe(true);
});

/** Makes 10,000 calls of which the client cancels some. @returns whether the connection is over */
function cancelEach(isCancelled: (round: number) => boolean): boolean {
  const client = new ClockedConnection();
  for (let round = 0; round < 10_000; round += 1) {
    const stream = 2 * round + 1;
    if (isCancelled(round)) client.receive(headersFrame(stream, REQUEST), rstStreamFrame(stream));
    else client.receive(headersFrame(stream, REQUEST, FLAG.endHeaders | FLAG.endStream));
  }
  return client.connection.isOver;
}

test("keeps a connection when it cancels half of its calls, and ends it when it cancels all", () => {
  expect(cancelEach((round) => round % 2 === 0)).toBe(false);
  expect(cancelEach(() => true)).toBe(true);
});
