import { create, toBinary } from "@bufbuild/protobuf";
import { RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { connectGrpc, framed, rawCall } from "../../support/raw/grpc.js";
import { rawPeersOf } from "../../support/raw/peers.js";
import { type ErrorCase, expectOnlySentinel, expectRow, listenerOf } from "./error-case.js";

const PUBLISH = "/websockets.v1.BroadcastService/Publish";
const REQUEST = toBinary(RequestSchema, create(RequestSchema, { messages: [{ topics: ["heard"] }] }));

/** Publishes on both ports with a deadline in the form of each protocol. */
async function refused(row: Parameters<ErrorCase>[0], deadlines: Deadlines): Promise<void> {
  const node = await startNode();
  const listener = await listenerOf(node);
  const session = await connectGrpc(node.grpc);
  for (const timeout of deadlines.grpc) {
    expectRow(row, await rawCall(session, PUBLISH, framed(REQUEST), { "grpc-timeout": timeout }), `grpc ${timeout}`);
  }
  await overHttp(row, node, deadlines);
  await expectOnlySentinel(node, listener);
}

interface Deadlines {
  readonly grpc: readonly string[];
  readonly connect: readonly string[];
}

async function overHttp(row: Parameters<ErrorCase>[0], node: TestNode, deadlines: Deadlines): Promise<void> {
  for (const peer of rawPeersOf(node)) {
    if (peer.name === "grpc") continue;
    const isWeb = peer.name === "grpc-web";
    const bytes = peer.name === "connect-json" ? Buffer.from('{"messages":[{"topics":["heard"]}]}') : REQUEST;
    for (const timeout of isWeb ? deadlines.grpc : deadlines.connect) {
      const headers = { [isWeb ? "grpc-timeout" : "connect-timeout-ms"]: timeout };
      expectRow(row, await peer.send({ bytes, headers }), `${peer.name} ${timeout}`);
    }
  }
}

export const deadlineErrors: Readonly<Record<string, ErrorCase>> = {
  E29: (row) =>
    refused(row, {
      grpc: ["5", "S", "5s", "-5S", "1.5S", "x5S", "5Sx", "5 S", "999999999S"],
      connect: ["5s", "-5", "1.5", "x", "99999999999"],
    }),
  E30: (row) => refused(row, { grpc: ["0S", "0n", "999u"], connect: ["0"] }),
};
