import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { Client, compressionAlgorithms, credentials, Metadata } from "@grpc/grpc-js";
import { jsonAnswer, type PeerAnswer } from "../backends/peers.js";
import { cleanUp } from "../clean-up.js";
import type { TestNode } from "../nodes/node.js";

export interface RawRequest {
  readonly method?: string;
  /** Bytes of the message, valid or not. */
  readonly bytes: Uint8Array;
  /** Compression of the bytes. */
  readonly encoding?: Encoding;
  /** Declares this compression without compressing. Not supported by the gRPC peer, whose client compresses itself. */
  readonly claimed?: string;
  /** Headers besides those of the protocol. Not supported by the gRPC peer. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type Encoding = "gzip" | "br";

export interface RawAnswer extends Pick<PeerAnswer, "status" | "message"> {
  /** Status of the HTTP answer; undefined on the gRPC port. */
  readonly httpStatus?: number;
}

/** A client that sends given bytes as the message of a request. */
export interface RawPeer {
  readonly name: "grpc" | "connect" | "connect-json" | "grpc-web";
  /** Supported compressions. */
  readonly encodings: readonly Encoding[];
  send(request: RawRequest): Promise<RawAnswer>;
}

/** Returns the bytes unchanged, as serializer and deserializer of @grpc/grpc-js. */
export const asIs = (bytes: Buffer): Buffer => bytes;

const COMPRESS: Readonly<Record<Encoding, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: (bytes) => gzipSync(bytes),
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
};

const SERVICE = "/websockets.v1.BroadcastService/";

export function rawPeersOf(node: TestNode): RawPeer[] {
  return [
    { name: "grpc", encodings: ["gzip"], send: (request) => sendGrpc(node, request) },
    { name: "connect", encodings: ["gzip", "br"], send: (request) => sendConnect(node, request, "application/proto") },
    {
      name: "connect-json",
      encodings: ["gzip", "br"],
      send: (request) => sendConnect(node, request, "application/json"),
    },
    { name: "grpc-web", encodings: ["gzip", "br"], send: (request) => sendGrpcWeb(node, request) },
  ];
}

function sendGrpc(node: TestNode, { bytes, encoding, method = "Publish" }: RawRequest): Promise<RawAnswer> {
  const { gzip, identity } = compressionAlgorithms;
  const client = new Client(node.grpc, credentials.createInsecure(), {
    "grpc.default_compression_algorithm": encoding === undefined ? identity : gzip,
  });
  cleanUp(() => client.close());
  return new Promise((resolve) => {
    client.makeUnaryRequest(SERVICE + method, asIs, asIs, Buffer.from(bytes), new Metadata(), {}, (error) => {
      resolve({ status: error?.code ?? 0, message: error?.details ?? "" });
    });
  });
}

async function sendConnect(node: TestNode, request: RawRequest, contentType: string): Promise<RawAnswer> {
  const { bytes, encoding, claimed = encoding, headers, method = "Publish" } = request;
  const response = await fetch(node.http + SERVICE + method, {
    method: "POST",
    headers: {
      ...headers,
      "content-type": contentType,
      ...(claimed === undefined ? {} : { "content-encoding": claimed }),
    },
    body: new Uint8Array(encoding === undefined ? bytes : COMPRESS[encoding](bytes)),
  });
  const body = Buffer.from(await response.arrayBuffer());
  const { message, status } = response.ok ? { message: "", status: 0 } : jsonAnswer(JSON.parse(body.toString()));
  return { httpStatus: response.status, message, status };
}

async function sendGrpcWeb(node: TestNode, request: RawRequest): Promise<RawAnswer> {
  const { bytes, encoding, claimed = encoding, headers, method = "Publish" } = request;
  const data = encoding === undefined ? bytes : COMPRESS[encoding](bytes);
  const body = Buffer.alloc(5 + data.length);
  body.writeUInt8(claimed === undefined ? 0 : 1, 0);
  body.writeUInt32BE(data.length, 1);
  body.set(data, 5);
  const response = await fetch(node.http + SERVICE + method, {
    method: "POST",
    headers: {
      ...headers,
      "content-type": "application/grpc-web+proto",
      ...(claimed === undefined ? {} : { "grpc-encoding": claimed }),
    },
    body,
  });
  const answer = Buffer.from(await response.arrayBuffer());
  return { httpStatus: response.status, ...grpcWebStatus(response.headers, answer) };
}

/** Reads the status from the trailers, the last envelope, or, without a body, the headers. */
function grpcWebStatus(headers: Headers, body: Buffer): Pick<RawAnswer, "status" | "message"> {
  const trailers = new Map(headers);
  for (let offset = 0; offset < body.length; ) {
    const length = body.readUInt32BE(offset + 1);
    if ((body.readUInt8(offset) & 0x80) !== 0) {
      const lines = body
        .subarray(offset + 5, offset + 5 + length)
        .toString()
        .split("\r\n");
      for (const line of lines)
        trailers.set(line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim());
    }
    offset += 5 + length;
  }
  return {
    status: Number(trailers.get("grpc-status") ?? "-1"),
    message: decodeURIComponent(trailers.get("grpc-message") ?? ""),
  };
}
