import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { BroadcastService, RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { CallAuthorizer } from "../../../src/rpc/call-authorizer.js";
import { connectMount } from "../../../src/rpc/connect/connect-mount.js";
import { BROADCAST_ACTIONS } from "../../../src/rpc/services/publish/broadcast.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { withResolvers } from "../../../src/util/with-resolvers.js";
import { jsonAnswer, peersOf } from "../../support/backends/peers.js";
import { cleanUp } from "../../support/clean-up.js";
import { ampleBudget, ampleLeases } from "../../support/nodes/byte-budget.js";
import { createGrpcMount } from "../../support/nodes/grpc-mount.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { asIs, type RawPeer, rawPeersOf } from "../../support/raw/peers.js";
import { everybody } from "../support/keys.js";
import { type ErrorCase, expectOnlySentinel, expectRow, expectRowForRequestsOf, listenerOf } from "./error-case.js";

const LIMIT = 4 * 1_024 * 1_024;

/** Malformed requests. */
const MALFORMED: readonly { readonly json: boolean; readonly bytes: Uint8Array }[] = [
  ...[
    "ff", // no tag
    "0a", // a message without its length
    "0a05", // a length beyond the end
    "0a020a05", // the same within
    "0a0612036865ff2a", // a tag's wire type that does not exist
    "0a09120568656172ff1a00", // topics: not UTF-8
    "0a0512030080801a00", // a truncated list
    "0a0a12056865617264520180", // event: not UTF-8
    "0a0a120568656172645a0180", // id: not UTF-8
    "0a0a120568656172640a0180", // command: not UTF-8
    "0a0a12056865617264620180", // broker: not UTF-8
    "0a0a120568656172646a0180", // text: not UTF-8
  ].map((hex) => ({ json: false, bytes: Buffer.from(hex, "hex") })),
  ...[
    "",
    "{",
    "[]",
    "null",
    '"x"',
    '{"messages":{}}',
    '{"messages":[null]}',
    '{"messages":[{"topics":"heard"}]}',
    '{"messages":[{"topics":["heard"],"payload":"not base64!"}]}',
    '{"messages":[{"topics":["heard"],"json":1}]',
    '{"messages":[{"topics":["heard"],"json":01}]}',
    '{"messages":[{"topics":["heard"],"text":"\\ud800"}]}',
    '{"messages":[{"topics":["heard","\\ud800"]}]}',
    '{"messages":[{"topics":["heard"],"event":"\\udc00"}]}',
  ].map((text) => ({ json: true, bytes: Buffer.from(text) })),
  {
    json: true,
    bytes: Buffer.concat([Buffer.from('{"messages":[{"topics":["heard'), Buffer.of(0xff), Buffer.from('"]}]}')]),
  },
];

function forPeer(peer: RawPeer): Uint8Array[] {
  return MALFORMED.filter(({ json }) => json === (peer.name === "connect-json")).map(({ bytes }) => bytes);
}

const beyondLimit: ErrorCase = async (row) => {
  const node = await startNode();
  const listener = await listenerOf(node);
  const message = { topics: ["heard"], payload: Buffer.alloc(1_048_576) };
  for (const peer of peersOf(node)) {
    expectRow(row, await peer.publish([message, message, message, message]), peer.name);
  }
  await expectRowForRequestsOf(LIMIT + 1, row, node);
  await expectOnlySentinel(node, listener);
};

const malformed: ErrorCase = async (row) => {
  const node = await startNode();
  const listener = await listenerOf(node);
  for (const peer of rawPeersOf(node)) {
    for (const bytes of forPeer(peer)) {
      expectRow(row, await peer.send({ bytes }), `${peer.name} ${Buffer.from(bytes).toString("hex")}`);
    }
    if (peer.name === "grpc") continue;
    const broken = gzipSync(Buffer.alloc(100)).subarray(0, 20);
    expectRow(row, await peer.send({ bytes: broken, claimed: "gzip" }), `${peer.name}, cut gzip`);
    expectRow(row, await peer.send({ bytes: Buffer.from("no gzip"), claimed: "gzip" }), `${peer.name}, no gzip`);
  }
  await expectOnlySentinel(node, listener);
};

const unknownMethod: ErrorCase = async (row) => {
  const node = await startNode();
  for (const peer of rawPeersOf(node)) {
    const bytes = Buffer.from(peer.name === "connect-json" ? "{}" : "");
    expectRow(row, await peer.send({ method: "Unpublish", bytes }), peer.name);
  }
};

/** Sends requests that begin before the stop and end after it. The node refuses them. */
const stopping: ErrorCase = async (row) => {
  const node = await startNode();
  const byGrpc = await beginGrpc(node);
  const byHttp = await beginHttp(node);
  const stopped = node.carillon.stop();
  const request = toBinary(RequestSchema, create(RequestSchema, { messages: [{ topics: ["heard"] }] }));
  const answers = [await byGrpc(request), await byHttp(request)];
  for (const [position, answer] of answers.entries()) expectRow(row, answer, ["grpc", "connect"][position] ?? "");
  await stopped;
};

type Finish = (bytes: Uint8Array) => Promise<{ status: number; message: string }>;

async function beginGrpc(node: TestNode): Promise<Finish> {
  const client = new Client(node.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const path = "/websockets.v1.BroadcastService/Publish";
  const { promise: answered, resolve: settle } = withResolvers<ServiceError | null>();
  const call = client.makeClientStreamRequest(path, asIs, asIs, settle);
  // After this round trip on the same connection, the node has received the earlier call.
  await new Promise((resolve) => {
    client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), resolve);
  });
  return async (bytes) => {
    call.write(Buffer.from(bytes));
    call.end();
    const error = await answered;
    return { status: error?.code ?? 0, message: error?.details ?? "" };
  };
}

async function beginHttp(node: TestNode): Promise<Finish> {
  const request = httpRequest(`${node.http}/websockets.v1.BroadcastService/Publish`, {
    agent: false,
    method: "POST",
    headers: { "content-type": "application/proto", expect: "100-continue", "transfer-encoding": "chunked" },
  });
  request.flushHeaders();
  await once(request, "continue");
  return async (bytes) => {
    request.end(bytes);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    let body = "";
    for await (const chunk of response) body += String(chunk);
    return jsonAnswer(JSON.parse(body));
  };
}

function fail(): never {
  throw new Error("the secret is 42");
}

/** Serves an implementation that fails. The text of its error must not be sent. */
const fault: ErrorCase = async (row) => {
  const faults: unknown[] = [];
  const implementation = {
    publish: () => Promise.reject(new Error("the secret is 42")),
    publishAsync: fail,
    publishStream: fail,
  };
  const options = {
    services: [{ service: BroadcastService, implementation, actions: BROADCAST_ACTIONS }],
    authorizer: new CallAuthorizer(everybody(), systemClock),
    requestBytes: LIMIT,
    onFault: (cause: unknown) => faults.push(cause),
  };
  const grpc = createGrpcMount({
    port: { address: { host: "127.0.0.1", port: 0 } },
    budget: ampleBudget(),
    ...options,
  });
  cleanUp(() => grpc.terminate());
  const { port } = await grpc.listen();
  const server = createServer(connectMount({ ...options, openLease: ampleLeases() }).handler).listen(0, "127.0.0.1");
  cleanUp(() => server.closeAllConnections());
  cleanUp(() => server.close());
  await once(server, "listening");
  const http = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const node = { grpc: `127.0.0.1:${port}`, http } as TestNode;
  for (const peer of peersOf(node)) {
    for (const method of ["Publish", "PublishAsync"] as const) {
      expectRow(row, await peer.publish([{ topics: ["heard"] }], method), peer.name);
    }
  }
  expect(faults).toHaveLength(10);
  expect(faults).toContainEqual(new Error("the secret is 42"));
};

export const mountErrors: Readonly<Record<string, ErrorCase>> = {
  E8: beyondLimit,
  E10: malformed,
  E16: stopping,
  E17: fault,
  E18: unknownMethod,
};
