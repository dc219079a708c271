import { FRAME_TYPE, rstStreamFrame } from "../../bench/fuzz/http2-frames.js";
import { encodeHeaders } from "../../src/http2/hpack/encode-headers.js";
import { openConnection, request, takeFrames } from "./support/pure-connection.js";

const OK = encodeHeaders([{ name: ":status", value: "200" }]);

test("calls back once, after all requests that were received together, and sends what the callbacks answer", () => {
  const begun: number[] = [];
  const called: number[] = [];
  const connection = openConnection((stream) => {
    begun.push(stream.id);
    stream.beforeWrite(() => {
      called.push(stream.id);
      expect(begun).toEqual([1, 3, 5]);
      stream.respond(OK, true);
    });
  });
  connection.receive(Buffer.concat([0, 1, 2].map(request)));
  expect(called).toEqual([]);
  const answered = takeFrames(connection).filter(({ type }) => type === FRAME_TYPE.headers);
  expect([called, answered.map(({ stream }) => stream)]).toEqual([
    [1, 3, 5],
    [1, 3, 5],
  ]);
  connection.takeOutput();
  expect(called).toHaveLength(3);
});

test("calls back at the next write when a callback asks for it", () => {
  let calls = 0;
  const connection = openConnection((stream) => {
    const ask = (): void => {
      calls += 1;
      stream.beforeWrite(ask);
    };
    stream.beforeWrite(ask);
  });
  connection.receive(request(0));
  for (let writes = 1; writes <= 3; writes += 1) {
    connection.takeOutput();
    expect(calls).toBe(writes);
  }
});

test("does not call back for a stream that is over", () => {
  const called: number[] = [];
  const connection = openConnection((stream) => stream.beforeWrite(() => called.push(stream.id)));
  connection.receive(Buffer.concat([request(0), request(1), rstStreamFrame(1)]));
  connection.takeOutput();
  expect(called).toEqual([3]);
});
