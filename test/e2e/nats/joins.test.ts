import { withResolvers } from "../../../src/util/with-resolvers.js";
import { publish, say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { readiness, startNatsNode } from "../../support/nats/node.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { startNats } from "../../support/nats/server.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const CONNECTIONS = 20;
const TOPICS = Array.from({ length: 50 }, (_, position) => `topic.${position}`);

/** One membership: what was known when it was asked for and when it was answered, and the numbers that came. */
interface Membership {
  /** The last number whose answer had come when the join was sent. */
  readonly answeredBefore: number;
  /** The last number that had been sent when the join's answer came. */
  sentBefore: number;
  readonly numbers: number[];
}

/** Publishes 1, 2, 3 … on all topics, each when the one before has been answered. */
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

/** A client that joins one topic after the other, and notes what it gets from each from the answer on. */
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
    // A message before the join's answer would be one that the client cannot place.
    if (membership === undefined || membership.sentBefore < 0)
      throw new Error(`a message of ${topic} before its answer`);
    membership.numbers.push(Number(payload));
  });
  for (const topic of TOPICS) {
    const { promise, resolve } = withResolvers<undefined>();
    const membership: Membership = { answeredBefore: publisher.answered, sentBefore: -1, numbers: [] };
    memberships.set(topic, membership);
    onAnswer = (joined) => {
      if (joined !== topic) throw new Error(`joined ${joined}, asked for ${topic}`);
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
  /** The last number published. */
  readonly last: number;
}

/** Resolves when every membership has got the last number. */
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
  // The last answer came from the same broker after the last message: what follows on each connection is after it.
  const last = publisher.sent;
  while (memberships.some(({ numbers }) => numbers.at(-1) !== last)) {
    await publish(publishOn, [{ topics: ["nobody"], payload: "a round trip, so that frames are read" }]);
  }
  return { memberships, last };
}

/** What was got, if it is not all from a first number on that is neither too early nor too late; to be undefined. */
function faultOf({ answeredBefore, numbers, sentBefore }: Membership, last: number): string | undefined {
  const first = numbers[0] ?? Number.NaN;
  // None from before the join was asked for (O3), all that were sent after its answer (O2), none twice.
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
  // Joins really came while messages were published.
  expect(new Set(memberships.map(({ numbers }) => numbers[0])).size).toBeGreaterThan(10);
});

/** A node behind a proxy that can keep what is said, and one beside it. */
async function startWithProxy() {
  const server = await startNats();
  const proxy = await startNatsProxy(server.port);
  return { proxy, node: await startNatsNode(proxy.url), other: await startNatsNode(server.url) };
}

/** Some round trips with the node, in which it could have answered anything. */
async function roundTrips(node: TestNode): Promise<void> {
  for (let count = 0; count < 20; count += 1) await readiness(node);
}

test("O2: a join is answered when NATS has taken in the interest, not when it was sent", async () => {
  const { node, other, proxy } = await startWithProxy();
  const client = await connect(`${node.ws}/ws`);

  proxy.hold("clients");
  client.send({ command: "join", topics: ["foo"] });
  // foo, and what is published for its connections.
  await proxy.passed("SUB", 2);
  await say(other, "foo", "before");
  await roundTrips(node);
  expect(client.unread).toEqual([]);

  proxy.release();
  expect(await client.next()).toEqual({ topic: "@join", payload: ["foo"] });
  await say(other, "foo", "after");
  expect(await client.next()).toEqual({ topic: "foo", payload: "after" });
});

test("O3: what was published before a join was asked for, and is still on its way, is not delivered to it", async () => {
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

test("O3: what is on its way to a session when it leaves does not come after the answer", async () => {
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
