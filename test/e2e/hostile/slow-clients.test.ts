import { publish } from "../../support/backends/publish.js";
import { connect, type NativeFrame, type TestClient } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

/** Size of a payload in bytes; system buffers hold only a few of them. */
const SIZE = 200_000;
/** Number of messages, more than the system, the window and the outbox hold together. */
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

/** Reads frames up to the newest message, which no policy drops. */
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

/** Long ping interval, because a client that does not read does not answer pings and could be disconnected for that. */
const ping = { interval: "1h" };

test.each(["latest", "drop_oldest"] as const)(
  "L6, W14: with %s, keeps a client that stops reading, reports its number of missed messages, and delivers all messages to others",
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
    // The received messages and the reported counts of missed messages add up to all messages.
    const numbers: number[] = [];
    for (const frame of frames) {
      if (frame.topic !== "#lagged") numbers.push(numberOf(frame));
      else for (const _ of Array(missedOf(frame)).keys()) numbers.push((numbers.at(-1) ?? 0) + 1);
    }
    expect(numbers).toEqual(Array.from({ length: MANY }, (_, position) => position + 1));
    const lagged = frames.filter(({ topic }) => topic === "#lagged");
    const missed = lagged.reduce((sum, frame) => sum + missedOf(frame), 0);
    expect(lagged).toEqual(lagged.map((frame) => ({ topic: "#lagged", payload: ["prices"], missed: missedOf(frame) })));
    expect(missed).toBeGreaterThan(0);

    plain.webSocket.resume();
    const untold = await readToTheEnd(plain);
    expect(untold.every(({ topic }) => topic === "prices")).toBe(true);
    expect(await dropsOf(node, policy)).toBe(missed + MANY - untold.length);
    await Promise.all([slow, plain].map((client) => client.join("still-here")));
  },
);

test("L6: applies the vhost's policy to a topic without a rule", async () => {
  const node = await startNode({ ping, vhosts: { "/": { slow_consumer: "latest" } } });
  const slow = await connect(`${node.ws}/ws`);
  await slow.join("any");
  slow.webSocket.pause();
  await publishMany(node, "any");
  slow.webSocket.resume();
  expect((await readToTheEnd(slow)).length).toBeLessThan(MANY);
  expect(slow.webSocket.readyState).toBe(slow.webSocket.OPEN);
});

test("L9: delivers the same messages with a write delay", async () => {
  const node = await startNode({ vhosts: { "/": { write_delay: "20ms" } } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("a", "b");
  for (const text of ["1", "2", "3"]) await publish(node, [{ topics: ["a"], payload: text }]);
  client.send({ command: "leave", topics: ["a"], id: 1 });
  const frames = [await client.next(), await client.next(), await client.next()];
  expect(frames.map(({ payload: text }) => text)).toEqual(["1", "2", "3"]);
  expect(await client.next()).toEqual({ topic: "@leave", payload: ["a"], id: 1 });
});
