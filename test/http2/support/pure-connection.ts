import {
  FLAG,
  FrameParser,
  headersFrame,
  PREFACE,
  type ReceivedFrame,
  settingsFrame,
} from "../../../bench/fuzz/http2-frames.js";
import { literalHeaders } from "../../../bench/fuzz/http2-headers.js";
import { Http2Connection } from "../../../src/http2/http2-connection.js";
import { HTTP2_LIMITS } from "../../../src/http2/http2-limits.js";
import type { ServerStream } from "../../../src/http2/server-stream.js";
import { ignore } from "../../../src/util/ignore.js";

const REQUEST = literalHeaders([
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
]);

/** Opens a connection without a socket. @param answer - called with each request */
export function openConnection(answer: (stream: ServerStream) => void): Http2Connection<true> {
  let time = 0;
  const connection = new Http2Connection<true>({
    limits: HTTP2_LIMITS,
    now: () => {
      time += 1_000;
      return time;
    },
    readHead: () => true,
    onStream: (stream) => {
      answer(stream);
      return { onData: ignore, onEnd: ignore, onDrain: ignore, onClose: ignore };
    },
  });
  connection.receive(Buffer.concat([PREFACE, settingsFrame()]));
  connection.takeOutput();
  return connection;
}

/** Encodes a request without a body. @param round - 0 for stream 1, 1 for stream 3, and so on */
export function request(round: number): Buffer {
  return headersFrame(2 * round + 1, REQUEST, FLAG.endHeaders | FLAG.endStream);
}

/** Takes all output. */
export function takeFrames(connection: Http2Connection<true>): ReceivedFrame[] {
  const splitter = new FrameParser();
  const frames: ReceivedFrame[] = [];
  for (let output = connection.takeOutput(); output !== undefined; output = connection.takeOutput()) {
    frames.push(...splitter.push(output));
  }
  return frames;
}
