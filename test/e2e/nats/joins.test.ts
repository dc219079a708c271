import { withResolvers } from "../../../src/util/with-resolvers.js";
import { publish, say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { readiness, startNatsNode } from "../../support/nats/node.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { startNats } from "../../support/nats/server.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const CONNECTIONS = 20;
const TOPICS = Array.from({ length: 50 }, (_, position) => `topic.${position}`);

/** A membership: the publisher's state at the join and at its answer, and the received numbers. */
interface Membership {
  /** Last number that was acknowledged when the join was sent. */
  readonly answeredBefore: number;
  /** Last number that was sent when the join was answered. */
  sentBefore: number;
  readonly numbers: number[];
}

/** Publishes 1, 2, 3 … on all topics, each after the acknowledgement of the preceding one. */
class Publisher {
  sent = 0;
  answered = 0;
  #stop = false;

  constructor(readonly node: TestNode) {}

  async run(): Promise<void> {
    while (!this.#stop) await this.one();
    await this.one();
  }

  stop(): void {
    this.#stop = true;
  }

  private async one(): Promise<void> {
    this.sent += 1;
    const answer = await publish(this.node, [{ topics: TOPICS, payload: String(this.sent) }]);
    if (answer.receipts?.[0]?.stage !== "STAGE_FLUSHED") throw new Error(`not published: ${JSON.stringify(answer)}`);
    this.answered = this.sent;
  }
}

/** A client that joins topics one after the other, and records the messages of each after its answer. */
async function joinAll(node: TestNode, publisher: Publisher): Promise<Membership[]> {
  const { webSocket } = await connect(`${node.ws}/ws`);
  const memberships = new Map<string, Membership>();
  let onAnswer: ((topic: string) => void) | undefined;
  webSocket.on("message", (data: Buffer) => {
    const { payload, topic } = JSON.parse(data.toString()) as { topic: string; payload: string | string[] };
    if (topic === "@join") {
      const [joined = ""] = payload;
      onAnswer?.(joined);
      return;
    }
    const membership = memberships.get(topic);
    // The client could not assign a message that precedes the join's answer.
    if (membership === undefined || membership.sentBefore < 0)
      throw new Error(`a message of ${topic} before its answer`);
    membership.numbers.push(Number(payload));
  });
  for (const topic of TOPICS) {
    const { promise, resolve } = withResolvers<undefined>();
    const membership: Membership = { answeredBefore: publisher.answered, sentBefore: -1, numbers: [] };
    memberships.set(topic, membership);
    onAnswer = (joined) => {
      if (joined !== topic) throw new Error(`joined ${joined}, expected ${topic}`);
      membership.sentBefore = publisher.sent;
      resolve(undefined);
    };
    webSocket.send(JSON.stringify({ command: "join", topics: [topic] }));
    await promise;
  }
  return [...memberships.values()];
}

interface Outcome {
  readonly memberships: readonly Membership[];
  /** Last published number. */
  readonly last: number;
}

/** Resolves when every membership has received the last number. */
async function joinWhilePublishing(publishOn: TestNode, joinOn: readonly TestNode[]): Promise<Outcome> {
  const publisher = new Publisher(publishOn);
  const running = publisher.run();
  const clients = Array.from({ length: CONNECTIONS }, (_, position) => {
    const node = joinOn[position % joinOn.length];
    if (node === undefined) throw new Error("no node");
    return joinAll(node, publisher);
  });
  const memberships = (await Promise.all(clients)).flat();
  publisher.stop();
  await running;
  // The last answer came from the same broker after the last message, so later frames on each connection are later.
  const last = publisher.sent;
  while (memberships.some(({ numbers }) => numbers.at(-1) !== last)) {
    await publish(publishOn, [{ topics: ["nobody"], payload: "a round trip, so that frames are read" }]);
  }
  return { memberships, last };
}

/** Returns a description of received numbers that violate the rules; undefined when they are valid. */
function faultOf({ answeredBefore, numbers, sentBefore }: Membership, last: number): string | undefined {
  const first = numbers[0] ?? Number.NaN;
  // No number from before the join (O3), all numbers sent after its answer (O2), none twice.
  const inTime = first > answeredBefore && first <= sentBefore + 1;
  const complete = numbers.length === last - first + 1 && numbers.every((number, place) => number === first + place);
  return inTime && complete ? undefined : `${answeredBefore} < … <= ${sentBefore + 1}: ${numbers.join(" ")}`;
}

test.each([
  ["O2: 1,000 joins on two nodes while a publisher never stops: each gets all after its answer, once", true],
  ["O2: 1,000 joins on memory while a publisher never stops: each gets all after its answer, once", false],
])("%s", async (_title, onNats) => {
  const nodes = onNats ? await startTwoNodes() : [await startNode()];
  const [publishOn] = nodes;
  if (publishOn === undefined) throw new Error("no node");

  const { last, memberships } = await joinWhilePublishing(publishOn, nodes);

  expect(memberships).toHaveLength(CONNECTIONS * TOPICS.length);
  expect(memberships.map((membership) => faultOf(membership, last)).filter((fault) => fault !== undefined)).toEqual([]);
  // Checks that joins overlapped with publishes.
  expect(new Set(memberships.map(({ numbers }) => numbers[0])).size).toBeGreaterThan(10);
});

/** Starts a node behind a proxy that can hold back traffic, and a second node without a proxy. */
async function startWithProxy() {
  const server = await startNats();
  const proxy = await startNatsProxy(server.port);
  return { proxy, node: await startNatsNode(proxy.url), other: await startNatsNode(server.url) };
}

/** Makes several round trips with the node, during which it could answer other frames. */
async function roundTrips(node: TestNode): Promise<void> {
  for (let count = 0; count < 20; count += 1) await readiness(node);
}

test("O2: answers a join when NATS has processed the subscription, not when it was sent", async () => {
  const { node, other, proxy } = await startWithProxy();
  const client = await connect(`${node.ws}/ws`);

  proxy.hold("clients");
  client.send({ command: "join", topics: ["foo"] });
  // Subscriptions to foo and to messages for single connections.
  await proxy.passed("SUB", 2);
  await say(other, "foo", "before");
  await roundTrips(node);
  expect(client.unread).toEqual([]);

  proxy.release();
  expect(await client.next()).toEqual({ topic: "@join", payload: ["foo"] });
  await say(other, "foo", "after");
  expect(await client.next()).toEqual({ topic: "foo", payload: "after" });
});

test("O3: does not deliver messages in flight that were published before the join", async () => {
  const { node, other, proxy } = await startWithProxy();
  const early = await connect(`${node.ws}/ws`);
  const late = await connect(`${node.ws}/ws`);
  await early.join("foo");

  proxy.hold("server");
  await say(other, "foo", "before");
  late.send({ command: "join", topics: ["foo"] });
  await roundTrips(node);
  proxy.release();

  expect(await early.next()).toEqual({ topic: "foo", payload: "before" });
  expect(await late.next()).toEqual({ topic: "@join", payload: ["foo"] });
  await say(other, "foo", "after");
  expect(await late.next()).toEqual({ topic: "foo", payload: "after" });
});

test("O3: does not deliver messages in flight after the answer to a leave", async () => {
  const { node, other, proxy } = await startWithProxy();
  const leaves = await connect(`${node.ws}/ws`);
  const stays = await connect(`${node.ws}/ws`);
  await leaves.join("foo", "bar");
  await stays.join("foo");

  proxy.hold("server");
  await say(other, "foo", "on its way");
  expect(await leaves.ask({ command: "leave", topics: ["foo"] })).toMatchObject({ topic: "@leave" });
  proxy.release();

  expect(await stays.next()).toEqual({ topic: "foo", payload: "on its way" });
  await say(other, "bar", "end");
  expect(await leaves.next()).toEqual({ topic: "bar", payload: "end" });
});

async function startTwoNodes(): Promise<TestNode[]> {
  const server = await startNats();
  return [await startNatsNode(server.url), await startNatsNode(server.url)];
}
