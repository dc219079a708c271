import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { dataFrame, FLAG, headersFrame } from "../../../../bench/fuzz/http2-frames.js";
import { literalHeaders } from "../../../../bench/fuzz/http2-headers.js";
import { RequestSchema, ResponseSchema } from "../../../../gen/websockets/v1/websockets_pb.js";
import { grpcClient, grpcPeer } from "../../../support/backends/peers.js";
import { startNode, type TestNode } from "../../../support/nodes/node.js";
import { framed } from "../../../support/raw/grpc.js";
import {
  connectHttp2,
  grpcFields,
  grpcStatus,
  type Http2Peer,
  type Http2PeerOptions,
} from "../../../support/raw/http2-peer.js";

export const PUBLISH = "/websockets.v1.BroadcastService/Publish";
export const PUBLISH_STREAM = "/websockets.v1.BroadcastService/PublishStream";

/** Number of repetitions in a flood: beyond all bounds, also if credits return while a slow machine reads them. */
export const FLOOD = 8_000;

/** Encodes a publish of this many bytes to one topic, with gRPC's prefix. */
export function publication(bytes = 0): Buffer {
  const messages = [{ topics: ["a"], payload: new Uint8Array(bytes) }];
  return framed(toBinary(RequestSchema, create(RequestSchema, { messages })));
}

/** Header blocks of calls by path. Floods repeat them, so they are encoded only once. */
const blocks = new Map<string, Buffer>();

function blockOf(path: string): Buffer {
  const block = blocks.get(path) ?? literalHeaders(grpcFields(path));
  blocks.set(path, block);
  return block;
}

const EMPTY_PUBLICATION = publication();

/** Encodes a complete and valid call on a stream. */
export function validCall(stream: number): Buffer {
  return Buffer.concat([openCallFrame(stream), dataFrame(stream, EMPTY_PUBLICATION, FLAG.endStream)]);
}

/** Encodes the beginning of a valid call, whose body does not follow. */
export function openCallFrame(stream: number, path = PUBLISH): Buffer {
  return headersFrame(stream, blockOf(path));
}

/** Encodes a request without a body. */
export function emptyCallFrame(stream: number, path = PUBLISH): Buffer {
  return headersFrame(stream, blockOf(path), FLAG.endHeaders | FLAG.endStream);
}

/** Joins the frames of many rounds. @param stream - of the round: 1, 3, 5 and so on */
export function rounds(count: number, frames: (stream: number) => Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, round) => frames(2 * round + 1)));
}

export interface AttackedNode {
  readonly node: TestNode;
  readonly attacker: Http2Peer;
  /** Publishes on a connection that was opened before the attack, and on a new one. @returns the gRPC statuses */
  readonly publishElsewhere: () => Promise<readonly (number | undefined)[]>;
}

/** Outcome of {@link AttackedNode.publishElsewhere} when nobody else is affected. */
export const UNAFFECTED: readonly number[] = [0, 0];

/** Starts a node whose gRPC port is served by this server's own HTTP/2. */
export function startHttp2Node(config: Parameters<typeof startNode>[0] = {}): Promise<TestNode> {
  return startNode({ ...config, grpc: { listen: "127.0.0.1:0", server: "native" } } as never);
}

export async function attackNode(options: Http2PeerOptions = {}): Promise<AttackedNode> {
  const node = await startHttp2Node();
  const witness = await connectHttp2(node.grpc);
  await witness.ping();
  const attacker = await connectHttp2(node.grpc, options);
  // Its acknowledgment of the settings must not come within an attack.
  await attacker.ping();
  let stream = -1;
  return {
    node,
    attacker,
    publishElsewhere: async () => {
      stream += 2;
      witness.send(validCall(stream));
      const { status } = await grpcPeer(grpcClient(node)).publish([{ topics: ["a"] }]);
      return [grpcStatus(await witness.answer(stream)), status];
    },
  };
}

/** Makes a valid call on this connection. @returns its gRPC status and whether the answer says that it is published */
export async function publishOn(peer: Http2Peer, stream: number): Promise<{ status: number | undefined; ok: boolean }> {
  peer.send(validCall(stream));
  const answer = await peer.answer(stream);
  const isComplete = answer.body.length > 5;
  return { status: grpcStatus(answer), ok: isComplete && fromBinary(ResponseSchema, answer.body.subarray(5)).ok };
}

/** Outcome of {@link publishOn} for a connection that is usable. */
export const PUBLISHED = { status: 0, ok: true } as const;
