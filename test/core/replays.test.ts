import type { Message } from "../../src/core/message.js";
import { Bench, CountingEncoding, MemorySink, message, topicNamed } from "./support.js";

/** Stored messages of a topic with consecutive positions. */
function storedMessages(texts: readonly string[]): Message[] {
  return texts.map((text, index) => ({ ...message(text), position: `p${index}` }));
}

const NO_FRAMES = new Map<Message, Uint8Array>();

test("O7: encodes equal replays once, also when the topic had no member in between", () => {
  const bench = new Bench();
  const topic = topicNamed("t");
  const encoding = new CountingEncoding();
  const messages = storedMessages(["1", "2", "3"]);
  for (let count = 0; count < 3; count += 1) {
    const sink = new MemorySink();
    const session = bench.session(sink, encoding);
    bench.hub.join(session, topic);
    bench.fanOut.replay(session, topic, messages, NO_FRAMES);
    bench.endTurn();
    bench.hub.leave(session, topic);
    expect(sink.text).toBe("t:1;t:2;t:3;");
    expect(sink.writes).toHaveLength(1);
  }
  expect(encoding.encoded).toBe(3);
});

test("O12: encodes a replay before the turn that sends it, one message in each step", () => {
  const bench = new Bench();
  const topic = topicNamed("t");
  const encoding = new CountingEncoding();
  const sink = new MemorySink();
  const session = bench.session(sink, encoding);
  const messages = storedMessages(["1", "22"]);
  const frames = new Map<Message, Uint8Array>();
  const work = bench.fanOut.encodeReplay(session, topic.name, messages, frames);
  expect([work.next().value, encoding.encoded]).toEqual([1, 1]);
  expect([work.next().value, encoding.encoded]).toEqual([2, 2]);
  expect(work.next().done).toBe(true);

  bench.hub.join(session, topic);
  bench.fanOut.replay(session, topic, messages, frames);
  bench.endTurn();
  expect(sink.text).toBe("t:1;t:22;");
  expect(encoding.encoded).toBe(2);

  // The batch is kept, so that nothing is left to encode.
  expect(bench.fanOut.encodeReplay(session, topic.name, messages, new Map()).next().done).toBe(true);
});

test("H2: sends a replay before messages that arrive in the same turn after the join", () => {
  const bench = new Bench();
  const topic = topicNamed("t");
  const encoding = new CountingEncoding();
  const [old, fresh] = [new MemorySink(), new MemorySink()];
  bench.hub.join(bench.session(old, encoding), topic);
  bench.fanOut.deliver(topic, message("before"));
  const session = bench.session(fresh, encoding);
  bench.hub.join(session, topic);
  bench.fanOut.replay(session, topic, storedMessages(["stored"]), NO_FRAMES);
  bench.fanOut.deliver(topic, message("after"));
  bench.endTurn();
  expect(old.text).toBe("t:before;t:after;");
  expect(fresh.text).toBe("t:stored;t:after;");
});
