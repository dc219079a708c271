import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { connect, type NativeFrame, type TestClient } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { type JoinAnswer, positionOf, ROOMS, store } from "./support.js";

const END = "end";

/** Messages of each topic before the last. */
const MESSAGES = 30;

/** A client that loses its connection again and again, and recovers each time. */
class Wanderer {
  /** Payloads of all messages that it has received, by topic. */
  readonly received = new Map<string, string[]>();
  /** Positions of the last message or join of each topic. */
  readonly #positions: Map<string, string>;
  readonly #node: TestNode;
  readonly #topics: readonly string[];

  constructor(node: TestNode, starts: ReadonlyMap<string, string>) {
    this.#node = node;
    this.#positions = new Map(starts);
    this.#topics = [...starts.keys()];
    for (const topic of this.#topics) this.received.set(topic, []);
  }

  /** Connects, recovers, and drops its socket after each of these numbers of frames; then stays until the end. */
  async run(losses: readonly number[]): Promise<void> {
    for (const frames of [...losses, Number.POSITIVE_INFINITY]) {
      const client = await connect(`${this.#node.ws}/ws?meta=1`);
      client.send({
        command: "join",
        topics: this.#topics,
        recover: Object.fromEntries(this.#positions),
        id: 1,
      });
      for (let count = 0; count < frames && !this.#isComplete; count += 1) this.#take(await client.next());
      await lose(client);
    }
  }

  get #isComplete(): boolean {
    return [...this.received.values()].every((payloads) => payloads.at(-1) === END);
  }

  #take(frame: NativeFrame & Pick<JoinAnswer, "recovered"> & { readonly position?: string }): void {
    if (frame.topic === "@join") {
      const lost = Object.entries(frame.recovered ?? {}).filter(([, isRecovered]) => !isRecovered);
      if (lost.length > 0 || frame.recovered === undefined) throw new Error(`not recovered: ${JSON.stringify(frame)}`);
      return;
    }
    if (frame.position === undefined) throw new Error(`not a stored message: ${JSON.stringify(frame)}`);
    this.received.get(frame.topic)?.push(String(frame.payload));
    this.#positions.set(frame.topic, frame.position);
  }
}

/** Ends a connection without a close frame. */
async function lose(client: TestClient): Promise<void> {
  client.webSocket.terminate();
  await client.closed;
}

/** Reads all stored messages of a topic in pages. */
async function readAll(node: TestNode, topic: string, start: string): Promise<string[]> {
  const client = await connect(`${node.ws}/ws`);
  const payloads: string[] = [];
  let after: string | undefined = start;
  while (after !== undefined) {
    const answer: NativeFrame = await client.ask({
      command: "history",
      topics: [topic],
      id: 1,
      payload: { after, limit: 7 },
    });
    const { messages, more } = answer.payload as {
      readonly messages: readonly { readonly payload: string; readonly position: string }[];
      readonly more: boolean;
    };
    payloads.push(...messages.map(({ payload }) => payload));
    after = more ? messages.at(-1)?.position : undefined;
  }
  return payloads;
}

test("O11, H2, H4: gives clients that lose their connections at any moment every message once, in the stored order", async () => {
  const node = await startNode({ vhosts: { "/": { ...ROOMS, history: { chat: { messages: 1_000 } } } } });
  let runs = 0;
  const losses = fc.array(fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 8 }), { minLength: 2, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(losses, async (clients) => {
      runs += 1;
      const topics = [`room.${runs}.a`, `room.${runs}.b`];
      const starts = new Map<string, string>();
      for (const topic of topics) starts.set(topic, await positionOf(node, topic));
      const wanderers = clients.map(() => new Wanderer(node, starts));

      const publishing = Promise.all(topics.map((topic) => publishAll(node, topic, MESSAGES)));
      await Promise.all(wanderers.map((wanderer, index) => wanderer.run(clients[index] ?? [])));
      await publishing;

      for (const topic of topics) {
        const stored = await readAll(node, topic, starts.get(topic) ?? "");
        expect(stored.length).toBe(MESSAGES + 1);
        for (const { received } of wanderers) expect(received.get(topic)).toEqual(stored);
      }
    }),
    { numRuns: 5 },
  );
});

/** Publishes through two requests at a time, each repeated, so that ids repeat as with publishers that retry. */
async function publishAll(node: TestNode, topic: string, count: number): Promise<void> {
  for (let number = 1; number <= count; number += 2) {
    const texts = [`${number}`, `${number + 1}`];
    await Promise.all([...texts, ...texts].map((text) => store(node, topic, text, `${topic} ${text}`)));
    await setImmediate();
  }
  await store(node, topic, END);
}

test("H2: recovers many clients at once after the connections of all were lost", async () => {
  const node = await startNode({ vhosts: { "/": ROOMS } });
  const start = await positionOf(node, "room");
  const clients = await Promise.all(Array.from({ length: 100 }, () => connect(`${node.ws}/ws`)));
  for (const client of clients) await client.join("room");
  await Promise.all(clients.map(lose));
  const texts = Array.from({ length: 50 }, (_, index) => `message ${index}`);
  for (const text of texts) await store(node, "room", text);

  const frames = await Promise.all(
    clients.map(async () => {
      const client = await connect(`${node.ws}/ws`);
      client.send({ command: "join", topics: ["room"], recover: { room: start }, id: 1 });
      const received: NativeFrame[] = [];
      while (received.length < texts.length + 1) received.push(await client.next());
      return received;
    }),
  );

  for (const [answer, ...messages] of frames) {
    expect(answer).toMatchObject({ topic: "@join", recovered: { room: true } });
    expect(messages.map(({ payload }) => payload)).toEqual(texts);
  }
});
