import { grpcClient, grpcPeer, type PeerAnswer } from "../../support/backends/peers.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import type { ErrorRow } from "../../support/docs/protocol.js";
import type { TestNode } from "../../support/nodes/node.js";
import { rawPeersOf } from "../../support/raw/peers.js";
import { requestOf } from "../../support/raw/request-bytes.js";

/** Causes the error of one table row in every possible way, and checks the answers against the row. */
export type ErrorCase = (row: ErrorRow) => Promise<void>;

export function expectRow(row: ErrorRow, answer: Pick<PeerAnswer, "status" | "message">, peer: string): void {
  expect({ peer, status: answer.status, message: answer.message }).toEqual({
    peer,
    status: row.status,
    message: expect.stringMatching(row.pattern),
  });
}

/** Sends requests of this many bytes by every protocol and compression, and compares each answer with the row. */
export async function expectRowForRequestsOf(size: number, row: ErrorRow, node: TestNode): Promise<void> {
  for (const peer of rawPeersOf(node)) {
    const bytes = requestOf(size, peer.name === "connect-json");
    expectRow(row, await peer.send({ bytes }), peer.name);
    for (const encoding of peer.encodings) {
      expectRow(row, await peer.send({ bytes, encoding }), `${peer.name}, ${encoding}`);
    }
  }
}

/** Client in the topic `heard`. It must receive nothing of a refused request. */
export async function listenerOf(node: TestNode, ...topics: string[]): Promise<TestClient> {
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("heard", ...topics);
  return listener;
}

/** Publishes a message and checks that the listener receives nothing before it (O4). */
export async function expectOnlySentinel(node: TestNode, listener: TestClient, topic = "heard"): Promise<void> {
  const { status } = await grpcPeer(grpcClient(node)).publish([{ topics: [topic], payload: Buffer.from("sentinel") }]);
  expect(status).toBe(0);
  expect(await listener.next()).toEqual({ topic, payload: "sentinel" });
}
