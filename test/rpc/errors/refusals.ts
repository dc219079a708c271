import { type PeerMessage, peersOf } from "../../support/backends/peers.js";
import { startNode } from "../../support/nodes/node.js";
import { type ErrorCase, expectOnlySentinel, expectRow, listenerOf } from "./error-case.js";

const long = "ü".repeat(128);
const payload = Buffer.from("x");
const topics = ["heard"];
const many = (count: number): string[] => Array.from({ length: count }, (_, position) => `topic${position}`);

/** Publishes that every broker refuses. Together they produce all texts of the row. */
const REFUSED: Readonly<Record<string, readonly PeerMessage[]>> = {
  E1: [{ topics: [], payload }, { payload }],
  E2: [long, "@heard", "#heard", "$heard", "he ard", "heard\u0000", "heard\u2028"].map((bad) => ({
    topics: ["heard", bad],
  })),
  E3: ["join", "leave", "PUBLISH"].map((command) => ({ topics, command })),
  E4: ["nats", "Memory", "__proto__"].map((broker) => ({ topics, broker })),
  E5: [{ topics, payload: Buffer.alloc(1_048_577) }],
  E6: [long, "a\u0007b", " a", "a\u3000"].flatMap((label) => [
    { topics, event: label },
    { topics, id: label },
  ]),
  E7: [{ topics: many(1_001) }],
  E28: [{ topics, payload, text: "x" }],
  E9: [{ topics: many(65), payload: Buffer.alloc(1_048_576, 97) }],
};

function refusal(messages: readonly PeerMessage[]): ErrorCase {
  return async (row) => {
    const node = await startNode();
    const listener = await listenerOf(node);
    const said = new Set<string>();
    for (const peer of peersOf(node)) {
      for (const message of messages) {
        for (const method of ["Publish", "PublishAsync"] as const) {
          const answer = await peer.publish([{ topics, payload }, message], method);
          expectRow(row, answer, peer.name);
          for (const { pattern, text } of row.wordings) if (pattern.test(answer.message)) said.add(text);
        }
      }
    }
    expect(said).toEqual(new Set(row.wordings.map(({ text }) => text)));
    await expectOnlySentinel(node, listener);
  };
}

/** Rows that need a node with two brokers. */
const elsewhere: ErrorCase = async (row) => {
  const node = await startNode({ brokers: { memory: { driver: "memory" }, other: { driver: "memory" } } });
  const listener = await listenerOf(node);
  for (const peer of peersOf(node)) {
    for (const topic of ["$user.eve", "$connection.a.1"]) {
      const message = { topics: ["heard", topic], payload, broker: "other" };
      for (const method of ["Publish", "PublishAsync"] as const) {
        expectRow(row, await peer.publish([{ topics, payload }, message], method), peer.name);
      }
    }
  }
  await expectOnlySentinel(node, listener);
};

export const refusals: Readonly<Record<string, ErrorCase>> = {
  ...Object.fromEntries(Object.entries(REFUSED).map(([rule, messages]) => [rule, refusal(messages)])),
  E27: elsewhere,
};
