import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FLAG, headersFrame, PREFACE, rstStreamFrame, settingsFrame } from "../../bench/fuzz/http2-frames.js";
import { literalHeaders } from "../../bench/fuzz/http2-headers.js";
import { encodeHeaders } from "../../src/http2/hpack/encode-headers.js";
import { Http2Connection } from "../../src/http2/http2-connection.js";
import { HTTP2_LIMITS } from "../../src/http2/http2-limits.js";
import type { ServerStream } from "../../src/http2/server-stream.js";
import { ignore } from "../../src/util/ignore.js";

const OK = encodeHeaders([{ name: ":status", value: "200" }]);
const REQUEST = literalHeaders([
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
]);

/** Connection that answers each request with a body of one byte. */
class AnsweringConnection {
  readonly connection: Http2Connection<true>;
  /** Streams that have begun. */
  readonly streams: WeakRef<ServerStream>[] = [];
  #nextId = 1;

  constructor() {
    this.connection = new Http2Connection<true>({
      limits: HTTP2_LIMITS,
      now: () => this.streams.length * 1_000,
      readHead: () => true,
      onStream: (stream) => {
        this.streams.push(new WeakRef(stream));
        stream.respond(OK);
        stream.send(Buffer.of(1));
        return { onData: ignore, onEnd: ignore, onDrain: ignore, onClose: ignore };
      },
    });
    this.receive(PREFACE, settingsFrame());
  }

  receive(...frames: readonly Uint8Array[]): Buffer {
    this.connection.receive(Buffer.concat(frames));
    const output: Buffer[] = [];
    for (let taken = this.connection.takeOutput(); taken !== undefined; taken = this.connection.takeOutput()) {
      output.push(taken);
    }
    return Buffer.concat(output);
  }

  /** Begins a request. @returns its stream */
  begin(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.receive(headersFrame(id, REQUEST, FLAG.endHeaders | FLAG.endStream));
    return id;
  }
}

test("keeps no stream that the client has reset when its answer waited", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const client = new AnsweringConnection();
  client.connection.setCongested(true);
  for (let count = 0; count < 5_000; count += 1) client.receive(rstStreamFrame(client.begin()));
  // A turn keeps the targets of the references that it has created.
  await nextTurn();
  collectGarbage();
  expect([client.connection.openStreams, client.connection.isOver]).toEqual([0, false]);
  expect(client.streams.filter((stream) => stream.deref() !== undefined).length).toBeLessThan(100);
});
