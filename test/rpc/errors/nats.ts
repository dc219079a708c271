import { HealthClient } from "../../support/backends/health.js";
import { type PeerAnswer, type PeerMessage, type PeerMethod, peersOf } from "../../support/backends/peers.js";
import type { ErrorRow } from "../../support/docs/protocol.js";
import { type NatsServer, startNats } from "../../support/nats/server.js";
import { MESSAGES_IN, untilMetric } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { type ErrorCase, expectOnlySentinel, expectRow, listenerOf } from "./error-case.js";

const BOTH: readonly PeerMethod[] = ["Publish", "PublishAsync"];
const heard: PeerMessage = { topics: ["heard"], payload: Buffer.from("x") };

function startNatsNode(nats: NatsServer, broker: object = {}): Promise<TestNode> {
  return startNode({ brokers: { nats: { driver: "nats", servers: [nats.url], ...broker } } });
}

/** Publishes with all peers at the same time. */
function publishAll(
  node: TestNode,
  messages: readonly PeerMessage[],
  method?: PeerMethod,
): Promise<(PeerAnswer & { peer: string })[]> {
  return Promise.all(
    peersOf(node).map(async (peer) => ({ ...(await peer.publish(messages, method)), peer: peer.name })),
  );
}

async function expectAll(
  row: ErrorRow,
  node: TestNode,
  messages: readonly PeerMessage[],
  methods = BOTH,
): Promise<void> {
  for (const method of methods) {
    for (const answer of await publishAll(node, messages, method)) expectRow(row, answer, answer.peer);
  }
}

const away: ErrorCase = async (row) => {
  const nats = await startNats();
  const node = await startNatsNode(nats);
  const listener = await listenerOf(node);
  const watch = new HealthClient(node).watch();
  await watch.until("SERVING");
  await nats.kill();
  await watch.until("NOT_SERVING");
  await expectAll(row, node, [heard]);
  await nats.start();
  await watch.until("SERVING");
  await expectOnlySentinel(node, listener);
};

const unconfirmed: ErrorCase = async (row) => {
  const [lost, silent] = row.wordings;
  const nats = await startNats();
  const patient = await startNatsNode(nats);
  const hasty = await startNatsNode(nats, { confirm_timeout: "300ms" });
  const watch = new HealthClient(patient).watch();
  await watch.until("SERVING");
  nats.signal("SIGSTOP");
  const answers = publishAll(patient, [heard]);
  await untilMetric(patient, MESSAGES_IN, peersOf(patient).length);
  for (const answer of await publishAll(hasty, [heard])) {
    expectRow(row, answer, answer.peer);
    expect(answer.message).toMatch(silent?.pattern ?? "");
  }
  await nats.kill();
  for (const answer of await answers) {
    expectRow(row, answer, answer.peer);
    expect(answer.message).toMatch(lost?.pattern ?? "");
  }
  await watch.until("NOT_SERVING");
  await nats.start();
  await watch.until("SERVING");
  for (const answer of await publishAll(patient, [heard])) expect(answer.status).toBe(0);
};

const behind: ErrorCase = async (row) => {
  const nats = await startNats();
  const node = await startNatsNode(nats, { pending: "64KiB" });
  const listener = await listenerOf(node);
  await expectAll(row, node, [heard, { topics: ["heard"], payload: Buffer.alloc(65_536) }]);
  await expectOnlySentinel(node, listener);
};

const forbidden: ErrorCase = async (row) => {
  const permissions = 'permissions: { publish: { deny: ["carillon._.denied"] } }';
  const nats = await startNats(`authorization: { users: [{ user: "u", password: "p", ${permissions} }] }`);
  const node = await startNatsNode(nats, { user: "u", password: "p" });
  const listener = await listenerOf(node, "denied");
  // PublishAsync does not wait for NATS to confirm (R2).
  await expectAll(row, node, [{ topics: ["denied"] }], ["Publish"]);
  await expectOnlySentinel(node, listener);
};

const tooLarge: ErrorCase = async (row) => {
  const nats = await startNats("max_payload: 4096");
  const node = await startNatsNode(nats);
  const listener = await listenerOf(node);
  await expectAll(row, node, [heard, { topics: ["heard"], payload: Buffer.alloc(4_096) }]);
  await expectOnlySentinel(node, listener);
};

export const natsErrors: Readonly<Record<string, ErrorCase>> = {
  E11: away,
  E12: unconfirmed,
  E13: behind,
  E14: forbidden,
  E15: tooLarge,
};
