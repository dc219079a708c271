import fc from "fast-check";
import type { Topic } from "../../src/core/topic.js";
import { Traffic } from "../../src/core/traffic.js";
import { Bench, CountingEncoding, MemorySink, message, topicNamed } from "./support.js";

/** Encodes a message as `topic:payload;` after its number in the session: `1=t:a;`. */
class CountedEncoding extends CountingEncoding {
  counted = 0;

  constructor(private readonly inPieces = false) {
    super();
  }

  countedFrames =
    (templates: readonly Uint8Array[]) =>
    (count: number): readonly Uint8Array[] => {
      const pieces = templates.flatMap((template, position) => {
        this.counted += 1;
        return [Buffer.from(`${count + position}=`), template];
      });
      return this.inPieces ? pieces : [Buffer.concat(pieces)];
    };
}

test("B14: numbers the messages of each session from 1 without a gap when they are of several topics", () => {
  const bench = new Bench();
  const encoding = new CountedEncoding();
  const [first, second] = [new MemorySink(), new MemorySink()];
  const [t, u] = [topicNamed("t"), topicNamed("u")];
  const one = bench.session(first, encoding);
  bench.hub.join(one, t);
  bench.fanOut.deliver(t, message("a"));
  bench.endTurn();
  bench.hub.join(one, u);
  bench.hub.join(bench.session(second, encoding), t);
  for (const text of ["b", "c"]) bench.fanOut.deliver(t, message(text));
  bench.fanOut.deliver(u, message("d"));
  // A message for this session only, and an answer, which is not numbered.
  bench.fanOut.sendMessage(one, encoding.frame(message("e"), "own"), new Traffic());
  bench.fanOut.send(one, Buffer.from("answer;"));
  bench.endTurn();
  expect(first.text.split(";").filter((frame) => frame !== "answer")).toEqual([
    "1=t:a",
    "2=own:e",
    "3=t:b",
    "4=t:c",
    "5=u:d",
    "",
  ]);
  expect(second.text).toBe("1=t:b;2=t:c;");
});

test("O7, B14: encodes a message once and shares the bytes when sessions have the same count", () => {
  const bench = new Bench();
  const encoding = new CountedEncoding();
  const topic = topicNamed("t");
  for (let count = 0; count < 5; count += 1) bench.hub.join(bench.session(new MemorySink(), encoding), topic);
  bench.fanOut.deliver(topic, message("a"));
  bench.endTurn();
  expect([encoding.encoded, encoding.counted]).toEqual([1, 1]);
});

test("B14, L6: keeps the number of the newest message when the policy is latest", () => {
  for (const inPieces of [false, true]) {
    const bench = new Bench(60);
    const sink = new MemorySink();
    const topic = topicNamed("t", { slowConsumer: "latest" });
    bench.hub.join(bench.session(sink, new CountedEncoding(inPieces)), topic);
    sink.stuck = true;
    bench.fanOut.deliver(topic, message("x".repeat(60)));
    bench.endTurn();
    for (const text of ["b", "c", "d"]) bench.fanOut.deliver(topic, message(text));
    bench.endTurn();
    sink.drain();
    expect(sink.text).toContain("!2;4=t:d;");
  }
});

test("B14: gives each session its own numbers when counts differ in one turn", () => {
  for (const inPieces of [false, true]) {
    const bench = new Bench();
    const encoding = new CountedEncoding(inPieces);
    const [t, u] = [topicNamed("t"), topicNamed("u")];
    const sinks = Array.from({ length: 4 }, () => new MemorySink());
    for (const [position, sink] of sinks.entries()) {
      const session = bench.session(sink, encoding);
      bench.hub.join(session, t);
      if (position % 2 === 1) bench.hub.join(session, u);
    }
    bench.fanOut.deliver(u, message("a"));
    bench.endTurn();
    for (const text of ["b", "c"]) bench.fanOut.deliver(t, message(text));
    bench.endTurn();
    expect(sinks.map(({ text }) => text)).toEqual([
      "1=t:b;2=t:c;",
      "1=u:a;2=t:b;3=t:c;",
      "1=t:b;2=t:c;",
      "1=u:a;2=t:b;3=t:c;",
    ]);
    // Two counts with two messages each, and the message before.
    expect(encoding.counted).toBeLessThanOrEqual(1 + 2 * 2 + 2);
  }
});

test("B14: leaves a gap in the numbers only where a slow session lost messages", () => {
  const step = fc.constantFrom("publish", "publish", "publish", "stick", "drain", "turn");
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), fc.boolean(), (steps, inPieces) => {
      const bench = new Bench(60);
      const sink = new MemorySink();
      const session = bench.session(sink, new CountedEncoding(inPieces));
      const topic: Topic = topicNamed("t", { slowConsumer: "drop_oldest" });
      bench.hub.join(session, topic);
      let published = 0;
      for (const kind of steps) {
        if (kind === "publish") {
          published += 1;
          bench.fanOut.deliver(topic, message(String(published)));
        } else if (kind === "turn") bench.endTurn();
        else if (kind === "stick") sink.stuck = true;
        else sink.drain();
      }
      sink.drain();
      bench.endTurn();
      sink.drain();
      // The payload of each message is its number, so a lagged frame shows which ones are missing.
      for (const [, count, number] of sink.text.matchAll(/(\d+)=t:(\d+);/g)) expect(count).toBe(number);
      expect(sink.text.endsWith(published === 0 ? "" : `=t:${published};`)).toBe(true);
    }),
  );
});
