import fc from "fast-check";
import { Bench, CountingEncoding, MemorySink, message, topicNamed } from "./support.js";

test("O7: encodes a message once for each encoding in use and shares the bytes", () => {
  const bench = new Bench();
  const topic = topicNamed("t");
  const [plain, other, unused] = [new CountingEncoding(), new CountingEncoding(), new CountingEncoding()];
  const sinks = Array.from({ length: 10 }, () => new MemorySink());
  for (const [position, sink] of sinks.entries()) {
    bench.hub.join(bench.session(sink, position < 7 ? plain : other), topic);
  }
  bench.fanOut.deliver(topic, message("a"));
  bench.endTurn();
  expect([plain.encoded, other.encoded, unused.encoded]).toEqual([1, 1, 0]);
  expect(sinks.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, () => "t:a;"));
});

test("O7: writes once per session and turn when messages of several topics arrive", () => {
  const bench = new Bench();
  const encoding = new CountingEncoding();
  const topics = ["t", "u", "v"].map((name) => topicNamed(name));
  const sink = new MemorySink();
  const session = bench.session(sink, encoding);
  for (const topic of topics) bench.hub.join(session, topic);
  for (const topic of topics) for (const text of ["1", "2"]) bench.fanOut.deliver(topic, message(text));
  bench.fanOut.send(session, Buffer.from("answer;"));
  expect(sink.writes).toEqual([]);
  bench.endTurn();
  expect(sink.writes).toHaveLength(1);
  expect(sink.text.split(";").toSorted().join(";")).toBe(";answer;t:1;t:2;u:1;u:2;v:1;v:2");
});

test("O6: writes a burst before the turn ends", () => {
  const bench = new Bench(1e9);
  const topic = topicNamed("t");
  const sink = new MemorySink();
  bench.hub.join(bench.session(sink, new CountingEncoding()), topic);
  const large = "x".repeat(100_000);
  for (let count = 0; count < 10; count += 1) bench.fanOut.deliver(topic, message(large));
  expect(sink.writes.length).toBeGreaterThan(2);
  bench.endTurn();
  expect(sink.text).toBe(`t:${large};`.repeat(10));
});

test("L6: closes a session that does not read, counts its lost messages, and leaves other sessions alone", () => {
  const bench = new Bench(100);
  const topic = topicNamed("t");
  const encoding = new CountingEncoding();
  const [stuck, fine] = [new MemorySink(), new MemorySink()];
  stuck.stuck = true;
  bench.hub.join(bench.session(stuck, encoding), topic);
  bench.hub.join(bench.session(fine, encoding), topic);
  for (let count = 0; count < 5; count += 1) {
    bench.fanOut.deliver(topic, message("x".repeat(37)));
    bench.endTurn();
  }
  expect(stuck.closedFor).toBe("slow_consumer");
  expect(stuck.backlog).toBeLessThanOrEqual(100);
  // One frame was written, one waited, one exceeded the limit.
  expect(bench.drops.disconnect).toBe(2);
  expect(fine.text).toBe(`t:${"x".repeat(37)};`.repeat(5));
  expect(bench.left).toEqual([topic]);
});

test("L6: delivers a message larger than the limit when the session keeps up", () => {
  const bench = new Bench(10);
  const topic = topicNamed("t");
  const sink = new MemorySink();
  bench.hub.join(bench.session(sink, new CountingEncoding()), topic);
  bench.fanOut.deliver(topic, message("x".repeat(100)));
  bench.endTurn();
  expect(sink.text).toHaveLength(103);
  expect(sink.closedFor).toBeUndefined();
});

test("L6: delivers a burst larger than the limit when the session had accepted everything before the turn", () => {
  const bench = new Bench(1_000);
  const topic = topicNamed("t");
  const sink = new MemorySink();
  sink.stuck = true;
  const session = bench.session(sink, new CountingEncoding());
  bench.hub.join(session, topic);
  const large = "x".repeat(100_000);
  for (let count = 0; count < 10; count += 1) bench.fanOut.deliver(topic, message(large));
  bench.endTurn();
  expect(sink.text).toBe(`t:${large};`.repeat(10));
  expect(session.open).toBe(true);
  // It has accepted nothing since, so the next turn exceeds the limit.
  bench.fanOut.deliver(topic, message(large));
  bench.endTurn();
  expect(sink.closedFor).toBe("slow_consumer");
});

test("O1, O2, O3: delivers exactly the messages of its memberships to each session in any order of joins, leaves, messages and turns", () => {
  const sessions = 4;
  const topics = 3;
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom("join", "leave"), session: fc.nat(sessions - 1), topic: fc.nat(topics - 1) }),
    fc.record({ kind: fc.constant("publish"), session: fc.constant(0), topic: fc.nat(topics - 1) }),
    fc.record({ kind: fc.constant("turn"), session: fc.constant(0), topic: fc.constant(0) }),
    fc.record({ kind: fc.constant("close"), session: fc.nat(sessions - 1), topic: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const bench = new Bench(1e9);
      const encodings = [new CountingEncoding(), new CountingEncoding()];
      const sinks = Array.from({ length: sessions }, () => new MemorySink());
      const clients = sinks.map((sink, position) => {
        return bench.session(sink, encodings[position % 2] ?? new CountingEncoding());
      });
      const rooms = Array.from({ length: topics }, (_, position) => topicNamed(String(position)));
      const joined = Array.from({ length: sessions }, () => new Set<number>());
      const expected = Array.from({ length: sessions }, () => Array.from({ length: topics }, () => ""));
      const closed = new Set<number>();

      for (const [number, { kind, session, topic }] of steps.entries()) {
        const [client, room] = [clients[session], rooms[topic]];
        if (client === undefined || room === undefined) continue;
        if (kind === "turn") bench.endTurn();
        if (kind === "join" && !closed.has(session) && !joined[session]?.has(topic)) {
          bench.fanOut.send(client, Buffer.from(`${topic}:@${number};`));
          record(expected, session, topic, `@${number}`);
          bench.hub.join(client, room);
          joined[session]?.add(topic);
        }
        if (kind === "leave" && !closed.has(session)) {
          bench.hub.leave(client, room);
          bench.fanOut.send(client, Buffer.from(`${topic}:#${number};`));
          record(expected, session, topic, `#${number}`);
          joined[session]?.delete(topic);
        }
        if (kind === "publish") {
          bench.fanOut.deliver(room, message(String(number)));
          for (const [listener, its] of joined.entries()) {
            if (its.has(topic)) record(expected, listener, topic, String(number));
          }
        }
        if (kind === "close") {
          bench.hub.remove(client, "service_restart");
          closed.add(session);
          joined[session]?.clear();
        }
      }
      bench.endTurn();
      const got = sinks.map((sink) => byTopic(sink.text, topics));
      expect(got).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

function record(expected: string[][], session: number, topic: number, what: string): void {
  const its = expected[session];
  if (its !== undefined) its[topic] += `${topic}:${what};`;
}

function byTopic(text: string, topics: number): string[] {
  const frames = text.split(";").slice(0, -1);
  return Array.from({ length: topics }, (_, topic) =>
    frames
      .filter((frame) => frame.startsWith(`${topic}:`))
      .map((frame) => `${frame};`)
      .join(""),
  );
}
