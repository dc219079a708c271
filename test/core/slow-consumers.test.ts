import fc from "fast-check";
import { Bench, CountingEncoding, MemorySink, message, topicNamed } from "./support.js";

/** Frames of seven bytes: `t:NNNN;`. */
const FRAME = 7;

function setUp(slowConsumer: "disconnect" | "drop_oldest" | "latest", frames: number) {
  const bench = new Bench(frames * FRAME);
  const sink = new MemorySink();
  const session = bench.session(sink, new CountingEncoding());
  const topic = topicNamed("t", { slowConsumer });
  bench.hub.join(session, topic);
  let number = 0;
  /** Publishes messages, one in each turn. */
  const publish = (count: number): void => {
    for (let left = count; left > 0; left -= 1) {
      number += 1;
      bench.fanOut.deliver(topic, message(String(number).padStart(4, "0")));
      bench.endTurn();
    }
  };
  return { bench, sink, session, topic, publish };
}

test("L6, latest: keeps only the newest waiting message and tells the client how many it missed", () => {
  const { bench, publish, sink } = setUp("latest", 8);
  sink.stuck = true;
  publish(20);
  expect(sink.text).toBe("t:0001;t:0002;t:0003;t:0004;");
  sink.stuck = false;
  sink.drain();
  expect(sink.text).toBe("t:0001;t:0002;t:0003;t:0004;t!15;t:0020;");
  expect(bench.drops).toEqual({ disconnect: 0, drop_oldest: 0, latest: 15 });
  publish(1);
  expect(sink.text.endsWith("t!15;t:0020;t:0021;")).toBe(true);
});

test("L6, latest: keeps the newest message of each topic", () => {
  const { bench, publish, session, sink } = setUp("latest", 8);
  const other = topicNamed("u", { slowConsumer: "latest" });
  bench.hub.join(session, other);
  sink.stuck = true;
  publish(6);
  for (const text of ["000a", "000b"]) {
    bench.fanOut.deliver(other, message(text));
    bench.endTurn();
  }
  sink.stuck = false;
  sink.drain();
  expect(sink.text.slice(4 * FRAME)).toBe("t!1;t:0006;u!1;u:000b;");
});

test("L6, drop_oldest: drops the oldest waiting messages and keeps the session", () => {
  const { bench, publish, session, sink } = setUp("drop_oldest", 20);
  sink.stuck = true;
  publish(43);
  expect(session.open).toBe(true);
  sink.stuck = false;
  const before = sink.text.length;
  sink.drain();
  const rest = sink.text.slice(before);
  const [, missed, kept] = /^t!(\d+);((?:t:\d+;)+)$/.exec(rest) ?? [];
  const numbers = [...(kept ?? "").matchAll(/t:(\d+);/g)].map((match) => Number(match[1]));
  expect(numbers.at(-1)).toBe(43);
  expect(numbers).toEqual(numbers.map((_, position) => (numbers[0] ?? 0) + position));
  expect(Number(missed)).toBe(bench.drops.drop_oldest);
  expect(before / FRAME + Number(missed) + numbers.length).toBe(43);
});

test("L6: drops no answers and keeps their order", () => {
  const { bench, publish, session, sink } = setUp("latest", 8);
  sink.stuck = true;
  publish(6);
  bench.fanOut.send(session, Buffer.from("@;"));
  bench.endTurn();
  publish(2);
  sink.stuck = false;
  sink.drain();
  expect(sink.text.slice(4 * FRAME)).toBe("@;t!3;t:0008;");
});

test("L6, disconnect: closes the session for one topic of this policy, whatever the policies of its other topics", () => {
  const { bench, publish, session, sink } = setUp("latest", 8);
  const strict = topicNamed("s");
  bench.hub.join(session, strict);
  sink.stuck = true;
  publish(5);
  for (let count = 0; count < 5; count += 1) {
    bench.fanOut.deliver(strict, message("0000"));
    bench.endTurn();
  }
  expect(sink.closedFor).toBe("slow_consumer");
  expect(bench.drops.disconnect).toBeGreaterThan(0);
});

test("writes the backlog of a slow session when the node stops gracefully", () => {
  const { bench, publish, session, sink } = setUp("drop_oldest", 10);
  sink.stuck = true;
  publish(8);
  expect(sink.text).toHaveLength(5 * FRAME);
  bench.hub.remove(session, "service_restart");
  expect(sink.text).toMatch(/t:0008;$/);
  expect(sink.closedFor).toBe("service_restart");
});

test("L9: writes the messages of a topic with a write delay together, in order, and at the latest when the session leaves", () => {
  const bench = new Bench();
  const sink = new MemorySink();
  const session = bench.session(sink, new CountingEncoding());
  const topic = topicNamed("t", { writeDelay: 20 });
  bench.hub.join(session, topic);
  for (const text of ["1", "2", "3"]) {
    bench.fanOut.deliver(topic, message(text));
    bench.endTurn();
    bench.clock.advance(5);
  }
  expect(sink.text).toBe("");
  bench.clock.advance(5);
  bench.endTurn();
  expect(sink.writes).toEqual([["t:1;t:2;t:3;"]]);
  bench.fanOut.deliver(topic, message("4"));
  bench.hub.leave(session, topic);
  bench.fanOut.send(session, Buffer.from("#;"));
  bench.endTurn();
  expect(sink.text).toBe("t:1;t:2;t:3;t:4;#;");
});

test("L6: writes every published message or reports it as missed, in order and within the bound, in any sequence of events", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("publish"), topic: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("stick", "drain"), topic: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("turn"), topic: fc.constant(0) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const bench = new Bench(10 * FRAME);
      const sink = new MemorySink();
      const session = bench.session(sink, new CountingEncoding());
      const topics = (["drop_oldest", "latest", "drop_oldest"] as const).map((slowConsumer, position) =>
        topicNamed(String(position), { slowConsumer }),
      );
      const published = topics.map(() => 0);
      for (const topic of topics) bench.hub.join(session, topic);
      for (const { kind, topic } of steps) {
        const target = topics[topic];
        if (kind === "publish" && target !== undefined) {
          published[topic] = (published[topic] ?? 0) + 1;
          bench.fanOut.deliver(target, message(String(published[topic]).padStart(4, "0")));
        } else if (kind === "turn") bench.endTurn();
        else if (kind === "stick") sink.stuck = true;
        else {
          sink.stuck = false;
          sink.drain();
        }
      }
      bench.endTurn();
      sink.stuck = false;
      for (let count = 0; count < 5; count += 1) sink.drain();
      for (const [position, total] of published.entries()) {
        const numbers: number[] = [];
        for (const [, lost, number] of sink.text.matchAll(new RegExp(`${position}(?:!(\\d+)|:(\\d+));`, "g"))) {
          if (lost === undefined) numbers.push(Number(number));
          else for (const _ of Array(Number(lost)).keys()) numbers.push((numbers.at(-1) ?? 0) + 1);
        }
        expect(numbers).toEqual(Array.from({ length: total }, (_, number) => number + 1));
      }
    }),
    { numRuns: 500 },
  );
});

test("L6, latest: drops and reports the oldest when the newest messages of many topics exceed the room together", () => {
  const bench = new Bench(8 * FRAME);
  const sink = new MemorySink();
  const session = bench.session(sink, new CountingEncoding());
  const topics = Array.from({ length: 10 }, (_, position) => topicNamed(String(position), { slowConsumer: "latest" }));
  for (const topic of topics) bench.hub.join(session, topic);
  sink.stuck = true;
  for (const text of ["000a", "000b"]) {
    for (const topic of topics) {
      bench.fanOut.deliver(topic, message(text));
      bench.endTurn();
    }
  }
  expect(session.open).toBe(true);
  sink.stuck = false;
  for (let count = 0; count < 5; count += 1) sink.drain();
  expect(sink.text).toContain("9:000b;");
  const got = [...sink.text.matchAll(/:\w+;/g)].length;
  const missed = [...sink.text.matchAll(/!(\d+);/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  expect(got + missed).toBe(20);
  expect(bench.drops.latest).toBe(missed);
});

test("L6: keeps a session that may lose messages when a message is larger than the room", () => {
  const { bench, publish, session, sink, topic } = setUp("drop_oldest", 8);
  sink.stuck = true;
  publish(10);
  bench.fanOut.deliver(topic, message("x".repeat(1_000)));
  bench.endTurn();
  expect(session.open).toBe(true);
  sink.stuck = false;
  sink.drain();
  expect(sink.text.endsWith(`t:${"x".repeat(1_000)};`)).toBe(true);
});

test("L6: closes a client when the messages that must not be dropped fill the room", () => {
  const { bench, publish, session, sink } = setUp("drop_oldest", 200);
  sink.stuck = true;
  publish(100);
  for (let count = 0; count < 100 && session.open; count += 1) {
    bench.fanOut.send(session, Buffer.from("answer;"));
    bench.endTurn();
  }
  publish(40);
  expect(sink.closedFor).toBe("slow_consumer");
});

test("L9: waits the whole write delay after an earlier one was cut short by a leave", () => {
  const bench = new Bench();
  const sink = new MemorySink();
  const topic = topicNamed("t", { writeDelay: 20 });
  const [session, other] = [sink, new MemorySink()].map((its) => bench.session(its, new CountingEncoding()));
  if (session === undefined || other === undefined) throw new Error("no sessions");
  bench.hub.join(session, topic);
  bench.fanOut.deliver(topic, message("1"));
  bench.clock.advance(15);
  bench.hub.join(other, topic);
  bench.hub.leave(session, topic);
  bench.hub.join(session, topic);
  bench.endTurn();
  bench.fanOut.deliver(topic, message("2"));
  bench.clock.advance(19);
  bench.endTurn();
  expect(sink.text).toBe("t:1;");
  bench.clock.advance(1);
  bench.endTurn();
  expect(sink.text).toBe("t:1;t:2;");
});
