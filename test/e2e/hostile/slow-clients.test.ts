import { publish } from "../../support/backends/publish.js";
import { connect, type NativeFrame, type TestClient } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

/** Large enough that no buffer of the system takes many of them. */
const SIZE = 200_000;
/** So many are more than the system, the window and the outbox hold together. */
const MANY = 120;

function payload(number: number): string {
  return `${number}:`.padEnd(SIZE, "x");
}

function numberOf({ payload: text }: NativeFrame): number {
  return Number.parseInt(String(text), 10);
}

function missedOf(frame: NativeFrame): number {
  return (frame as NativeFrame & { readonly missed: number }).missed;
}

async function publishMany(node: TestNode, topic: string): Promise<void> {
  for (let number = 1; number <= MANY; number += 1) {
    const answer = await publish(node, [{ topics: [topic], payload: payload(number) }]);
    expect(answer.ok).toBe(true);
  }
}

/** Reads until the newest message, which no policy drops, has come. */
async function readToTheEnd(client: TestClient): Promise<NativeFrame[]> {
  const frames: NativeFrame[] = [];
  for (;;) {
    const frame = await client.next();
    frames.push(frame);
    if (frame.topic !== "#lagged" && numberOf(frame) === MANY) return frames;
  }
}

async function dropsOf(node: TestNode, reason: string): Promise<number> {
  const text = await (await fetch(`${node.http}/metrics`)).text();
  return Number(new RegExp(`^carillon_drops_total\\{reason="${reason}"\\} (\\d+)`, "m").exec(text)?.[1]);
}

/** A client that reads nothing answers no ping either: on a busy machine that alone would end it. */
const ping = { interval: "1h" };

test.each(["latest", "drop_oldest"] as const)(
  "L6, W14: with %s, keeps a client that stops reading, tells it how many messages it missed, and others miss none",
  async (policy) => {
    const node = await startNode({ ping, vhosts: { "/": { topics: [{ match: "price*", slow_consumer: policy }] } } });
    const slow = await connect(`${node.ws}/ws?meta=1`);
    const plain = await connect(`${node.ws}/ws`);
    const fine = await connect(`${node.ws}/ws`);
    await Promise.all([slow, plain, fine].map((client) => client.join("prices")));
    slow.webSocket.pause();
    plain.webSocket.pause();
    await publishMany(node, "prices");
    const all = await readToTheEnd(fine);
    expect(all.map(numberOf)).toEqual(Array.from({ length: MANY }, (_, position) => position + 1));

    slow.webSocket.resume();
    const frames = await readToTheEnd(slow);
    // What came, with the numbers that it was told to have missed in their places, is everything.
    const numbers: number[] = [];
    for (const frame of frames) {
      if (frame.topic !== "#lagged") numbers.push(numberOf(frame));
      else for (const _ of Array(missedOf(frame)).keys()) numbers.push((numbers.at(-1) ?? 0) + 1);
    }
    expect(numbers).toEqual(Array.from({ length: MANY }, (_, position) => position + 1));
    const told = frames.filter(({ topic }) => topic === "#lagged");
    const missed = told.reduce((sum, frame) => sum + missedOf(frame), 0);
    expect(told).toEqual(told.map((frame) => ({ topic: "#lagged", payload: ["prices"], missed: missedOf(frame) })));
    expect(missed).toBeGreaterThan(0);

    plain.webSocket.resume();
    const untold = await readToTheEnd(plain);
    expect(untold.every(({ topic }) => topic === "prices")).toBe(true);
    expect(await dropsOf(node, policy)).toBe(missed + MANY - untold.length);
    await Promise.all([slow, plain].map((client) => client.join("still-here")));
  },
);

test("L6: where a topic has no rule of its own, its vhost's decides", async () => {
  const node = await startNode({ ping, vhosts: { "/": { slow_consumer: "latest" } } });
  const slow = await connect(`${node.ws}/ws`);
  await slow.join("any");
  slow.webSocket.pause();
  await publishMany(node, "any");
  slow.webSocket.resume();
  expect((await readToTheEnd(slow)).length).toBeLessThan(MANY);
  expect(slow.webSocket.readyState).toBe(slow.webSocket.OPEN);
});

test("L9: a write delay changes nothing but when messages come", async () => {
  const node = await startNode({ vhosts: { "/": { write_delay: "20ms" } } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("a", "b");
  for (const text of ["1", "2", "3"]) await publish(node, [{ topics: ["a"], payload: text }]);
  client.send({ command: "leave", topics: ["a"], id: 1 });
  const frames = [await client.next(), await client.next(), await client.next()];
  expect(frames.map(({ payload: text }) => text)).toEqual(["1", "2", "3"]);
  expect(await client.next()).toEqual({ topic: "@leave", payload: ["a"], id: 1 });
});
