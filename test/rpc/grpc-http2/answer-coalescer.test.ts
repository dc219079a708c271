import { ANSWER_WAIT, AnswerCoalescer } from "../../../src/rpc/grpc-http2/answer-coalescer.js";
import { ManualClock } from "../../support/manual-clock.js";

/** Client whose requests are handled when they arrive, each in a turn of its own. */
class PipeliningClient {
  /** Number of answers in each write. */
  readonly writes: number[] = [];
  readonly clock = new ManualClock();
  readonly #coalescer: AnswerCoalescer;
  #waiting = 0;

  constructor() {
    this.#coalescer = new AnswerCoalescer(() => {
      this.#coalescer.clear();
      this.writes.push(this.#waiting);
      this.#waiting = 0;
    }, this.clock);
  }

  /** Number of requests without an answer. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Sends requests, and waits for answers when this many are under way. */
  send(requests: number, underWay: number): void {
    for (let sent = 0; sent < requests; sent += 1) {
      this.arrive(1);
      if (this.#waiting === underWay) this.wait();
    }
  }

  /** Sends requests one after the other, without waiting for answers. @param interval - milliseconds between two */
  sendSteadily(requests: number, interval: number): void {
    for (let sent = 0; sent < requests; sent += 1) {
      this.arrive(1);
      this.clock.advance(interval);
    }
  }

  /** Sends requests that arrive together. */
  arrive(requests: number): void {
    this.#waiting += requests;
    this.#coalescer.decide(this.#waiting);
  }

  /** Sends nothing until all answers have arrived, or for as long as they may wait. */
  wait(): void {
    for (let waits = 0; waits < 2 && this.#waiting > 0; waits += 1) this.clock.advance(ANSWER_WAIT);
  }
}

function shareOf(writes: readonly number[], matches: (answers: number) => boolean): number {
  return writes.filter(matches).length / writes.length;
}

test.each([1, 2, 15])(
  "sends each answer at once, except in a few probes, when %i requests are under way",
  (underWay) => {
    const client = new PipeliningClient();
    client.send(100_000, underWay);
    expect(shareOf(client.writes, (answers) => answers === 1)).toBeGreaterThan(0.99);
    // The intervals between probes double from 16 to 4,096 writes.
    expect(client.clock.monotonic()).toBeLessThan(40 * 2 * ANSWER_WAIT);
  },
);

test.each([
  { underWay: 16, size: 8 },
  { underWay: 41, size: 20 },
  { underWay: 127, size: 63 },
  { underWay: 128, size: 64 },
  { underWay: 1_000, size: 64 },
])("sends $size answers together when $underWay requests are under way", ({ size, underWay }) => {
  const client = new PipeliningClient();
  client.send(20_000, underWay);
  const [before, begin] = [client.writes.length, client.clock.monotonic()];
  client.send(100_000, underWay);
  const writes = client.writes.slice(before);
  expect(shareOf(writes, (answers) => answers === size)).toBeGreaterThan(0.9);
  expect((client.clock.monotonic() - begin) / writes.length).toBeLessThan(ANSWER_WAIT / 100);
});

test("sends together what arrives in the time for which an answer waits, when requests arrive steadily", () => {
  const client = new PipeliningClient();
  client.sendSteadily(50_000, 0.02);
  const writes = client.writes.slice(-100);
  expect(shareOf(writes, (answers) => answers >= 50)).toBeGreaterThan(0.9);
});

test("sends each answer at once when requests arrive steadily and rarely", () => {
  const client = new PipeliningClient();
  client.sendSteadily(10_000, 1);
  expect(shareOf(client.writes, (answers) => answers === 1)).toBeGreaterThan(0.99);
});

test("sends all answers to the requests of one turn together", () => {
  const client = new PipeliningClient();
  client.arrive(200);
  expect(client.writes).toEqual([200]);
});

test("sends each answer at once soon after the client has fewer requests under way than before", () => {
  const client = new PipeliningClient();
  client.send(10_000, 1_000);
  client.wait();
  client.send(1_000, 4);
  expect(client.writes.slice(-3)).toEqual([1, 1, 1]);
});

test("sends each answer at once soon after requests have become rare", () => {
  const client = new PipeliningClient();
  client.send(400_000, 100);
  client.wait();
  client.sendSteadily(100, 0.5);
  expect(client.writes.slice(-50)).toEqual(Array.from({ length: 50 }, () => 1));
});

test("sends answers together again when the client has more requests under way than before", () => {
  const client = new PipeliningClient();
  client.send(10_000, 1);
  client.send(100_000, 1_000);
  expect(shareOf(client.writes.slice(-100), (answers) => answers === 64)).toBeGreaterThan(0.9);
});

test("sends answers together again after a pause of the client", () => {
  const client = new PipeliningClient();
  client.send(10_000, 1_000);
  client.wait();
  client.send(5_000, 1_000);
  expect(shareOf(client.writes.slice(-20), (answers) => answers === 64)).toBeGreaterThan(0.9);
});

test("lets an answer wait no longer than it may", () => {
  const client = new PipeliningClient();
  client.send(10_000, 128);
  client.wait();
  const waiting = [0.2, 0.9, 4, 0.5, 1.4, 0.4, 7].map((milliseconds) => {
    client.arrive(1);
    client.clock.advance(milliseconds);
    return milliseconds < 2 * ANSWER_WAIT ? "any" : client.waiting;
  });
  expect(waiting).toEqual(["any", "any", 0, "any", "any", "any", 0]);
  expect(client.clock.timers).toBe(0);
});
