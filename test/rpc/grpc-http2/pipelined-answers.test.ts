import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  dataFrame,
  FLAG,
  FRAME_TYPE,
  MAX_WINDOW,
  SETTING,
  windowUpdateFrame,
} from "../../../bench/fuzz/http2-frames.js";
import { RequestSchema, ResponseSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { framed } from "../../support/raw/grpc.js";
import { connectHttp2, grpcStatus, type Http2Peer } from "../../support/raw/http2-peer.js";
import { openCallFrame, PUBLISH_STREAM, startHttp2Node } from "./support/attack.js";

/** Opens a `PublishStream` on stream 1 of a connection whose windows never fill. */
async function openStream(): Promise<Http2Peer> {
  const node = await startHttp2Node();
  const peer = await connectHttp2(node.grpc, { settings: [[SETTING.initialWindowSize, MAX_WINDOW]] });
  peer.send(windowUpdateFrame(0, MAX_WINDOW - 65_535), openCallFrame(1, PUBLISH_STREAM));
  return peer;
}

function request(id: string, topic = "a"): Buffer {
  const messages = [{ topics: [topic], id }];
  return framed(toBinary(RequestSchema, create(RequestSchema, { messages })));
}

/** Returns the ids that the frames of an answer confirm, in order. */
function confirmedIds(body: Buffer): string[] {
  const ids: string[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    ids.push(...fromBinary(ResponseSchema, body.subarray(at + 5, end)).receipts.map(({ id }) => id));
    at = end;
  }
  return ids;
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, number) => String(number + 1));
}

/** Sends requests while fewer than `underWay` wait for their answers, until all are answered. */
async function keepUnderWay(peer: Http2Peer, ids: readonly string[], underWay: number): Promise<void> {
  let sent = 0;
  for (let answered = 0; answered < ids.length; answered += 1) {
    const until = Math.min(ids.length, answered + underWay);
    for (; sent < until; sent += 1) peer.send(dataFrame(1, request(ids[sent] ?? "")));
    await peer.next(({ stream, type }) => stream === 1 && type === FRAME_TYPE.data);
  }
}

test.each([1, 2, 5, 64, 127, 300])("answers all requests in order when a client has %i under way", async (underWay) => {
  const peer = await openStream();
  // Enough for several probes.
  const ids = numbers(Math.min(20_000, 600 * underWay));
  await keepUnderWay(peer, ids, underWay);
  peer.send(dataFrame(1, "", FLAG.endStream));
  const answer = await peer.answer(1);
  expect([grpcStatus(answer), confirmedIds(answer.body)]).toEqual([0, ids]);
});

// The node has learnt that many requests are under way, so that the answers to a few wait for others.
test.each([
  { what: "the end of the stream", last: dataFrame(1, "", FLAG.endStream), status: 0 },
  { what: "a request that is refused", last: dataFrame(1, request("refused", "a\0")), status: 3 },
])("answers the requests before $what", async ({ last, status }) => {
  const peer = await openStream();
  const ids = numbers(20_003);
  await keepUnderWay(peer, ids.slice(0, -3), 300);
  peer.send(...ids.slice(-3).map((id) => dataFrame(1, request(id))), last);
  const answer = await peer.answer(1);
  expect([grpcStatus(answer), confirmedIds(answer.body)]).toEqual([status, ids]);
});
