import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FRAME_TYPE, http2Frame, rstStreamFrame } from "../../bench/fuzz/http2-frames.js";
import { encodeHeaders } from "../../src/http2/hpack/encode-headers.js";
import { HTTP2_LIMITS } from "../../src/http2/http2-limits.js";
import type { ServerStream } from "../../src/http2/server-stream.js";
import { ignore } from "../../src/util/ignore.js";
import { openConnection, request, takeFrames } from "./support/pure-connection.js";

const OK = encodeHeaders([{ name: ":status", value: "200" }]);

/** Headers of a large answer, such as one with an error text. */
const LARGE = encodeHeaders([
  { name: ":status", value: "200" },
  { name: "x", value: "x".repeat(10_000) },
]);

/**
 * Begins and resets streams while the socket accepts no output.
 * @param answer - called with each request
 * @returns the number of streams that are still in memory
 */
async function countKeptStreams(answer: (stream: ServerStream) => void): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const streams: WeakRef<ServerStream>[] = [];
  const connection = openConnection((stream) => {
    streams.push(new WeakRef(stream));
    answer(stream);
  });
  connection.setCongested(true);
  for (let round = 0; round < 900; round += 1) {
    connection.receive(Buffer.concat([request(round), rstStreamFrame(2 * round + 1)]));
  }
  // A turn keeps the targets of the references that it has created.
  await nextTurn();
  collectGarbage();
  expect([connection.openStreams, connection.isOver]).toEqual([0, false]);
  return streams.filter((stream) => stream.deref() !== undefined).length;
}

test("keeps no stream that the client has reset when its answer waited", async () => {
  expect(await countKeptStreams((stream) => stream.send(Buffer.of(1)))).toBeLessThan(100);
});

test("keeps no stream that the client has reset when it waited for the next write", async () => {
  expect(await countKeptStreams((stream) => stream.beforeWrite(() => stream.send(Buffer.of(1))))).toBeLessThan(100);
});

test("sends the answers of streams that wait when others between them are reset", () => {
  const connection = openConnection((stream) => {
    stream.respond(OK);
    stream.send(Buffer.of(stream.id));
    stream.end(OK);
  });
  connection.setCongested(true);
  connection.receive(Buffer.concat([0, 1, 2, 3, 4].map(request)));
  connection.receive(Buffer.concat([1, 5, 9].map((id) => rstStreamFrame(id))));
  connection.takeOutput();
  connection.setCongested(false);
  connection.receive(request(5));
  const sent = takeFrames(connection).filter(({ type }) => type === FRAME_TYPE.data);
  expect(sent.map(({ payload, stream }) => [stream, payload[0]])).toEqual([
    [3, 3],
    [7, 7],
    [11, 11],
  ]);
  expect(connection.openStreams).toBe(0);
});

const COUNT = 2_000;

test("reads no further requests while the output is above its limit, and all of them when it is taken", () => {
  const connection = openConnection((stream) => stream.respond(LARGE, true));
  const requests = Buffer.concat(Array.from({ length: COUNT }, (_, round) => request(round)));
  // The last frame is incomplete.
  connection.receive(requests.subarray(0, -5));
  expect(connection.outputBytes).toBeLessThan(HTTP2_LIMITS.outputBytes + LARGE.length + 100);
  connection.receive(requests.subarray(-5));
  expect(connection.outputBytes).toBeLessThan(HTTP2_LIMITS.outputBytes + LARGE.length + 100);
  const answered = takeFrames(connection).filter(({ type }) => type === FRAME_TYPE.headers);
  expect(answered.map(({ stream }) => stream)).toEqual(Array.from({ length: COUNT }, (_, round) => 2 * round + 1));
});

test("ignores the requests that wait for room in the output when the connection ends", () => {
  let begun = 0;
  const connection = openConnection((stream) => {
    begun += 1;
    stream.respond(LARGE, true);
  });
  connection.receive(Buffer.concat(Array.from({ length: COUNT }, (_, round) => request(round))));
  const before = begun;
  connection.end(0);
  const [last] = takeFrames(connection).slice(-1);
  expect([last?.type, last?.payload.readUInt32BE()]).toEqual([FRAME_TYPE.goaway, 2 * before - 1]);
  expect(begun).toBe(before);
});

test("names the same last stream when a connection that is shut down ends with an error", () => {
  const connection = openConnection(ignore);
  connection.receive(request(0));
  connection.shutDown();
  connection.shutDown();
  connection.receive(Buffer.concat([request(1), request(2), http2Frame(FRAME_TYPE.ping, 0, 0, "short")]));
  const goaways = takeFrames(connection).filter(({ type }) => type === FRAME_TYPE.goaway);
  expect(goaways.map(({ payload }) => [payload.readUInt32BE(), payload.readUInt32BE(4)])).toEqual([
    [2 ** 31 - 1, 0],
    [1, 0],
    [1, 6],
  ]);
});
