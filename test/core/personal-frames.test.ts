import type { SessionFrames } from "../../src/core/batch.js";
import type { Topic } from "../../src/core/topic.js";
import { Traffic } from "../../src/core/traffic.js";
import { Bench, CountingEncoding, MemorySink, message, topicNamed } from "./support.js";

class PersonalEncoding extends CountingEncoding {
  readonly personal = true;
}

/** Puts the session's topics in front of each message, and a change of them in front of an answer. */
class TopicFrames implements SessionFrames {
  readonly topics = new Set<string>();
  #changed = false;

  personalize(_topic: Topic | undefined, frames: readonly Uint8Array[]): readonly Uint8Array[] {
    return frames.map((frame) => Buffer.concat([Buffer.from(`${[...this.topics].join("+")}>`), frame]));
  }

  preceding(): Uint8Array | undefined {
    if (!this.#changed) return undefined;
    this.#changed = false;
    return Buffer.from(`now ${[...this.topics].join("+")};`);
  }

  onEntering(): void {
    this.#changed = true;
  }

  left({ name }: Topic): void {
    this.topics.delete(name);
    this.#changed = true;
  }
}

function start() {
  const bench = new Bench();
  const sink = new MemorySink();
  const frames = new TopicFrames();
  const encoding = new PersonalEncoding();
  const session = bench.session(sink, encoding, frames);
  const [t, u] = [topicNamed("t"), topicNamed("u")];
  for (const topic of [t, u]) {
    bench.hub.join(session, topic);
    frames.topics.add(topic.name);
  }
  return { bench, encoding, frames, session, sink, t, u };
}

test("O7: gives a session its own frames of messages, and others the shared ones", () => {
  const { bench, encoding, session, sink, t } = start();
  const other = new MemorySink();
  bench.hub.join(bench.session(other, encoding), t);
  for (const text of ["a", "b"]) bench.fanOut.deliver(t, message(text));
  bench.fanOut.sendMessage(session, encoding.frame(message("c"), "own"), new Traffic());
  bench.endTurn();
  expect(sink.text).toBe("t+u>own:c;t+u>t:a;t+u>t:b;");
  expect(other.text).toBe("t:a;t:b;");
});

test("O3: sends what precedes an answer before it, after the messages of the topic that was left", () => {
  const { bench, session, sink, t, u } = start();
  bench.fanOut.deliver(t, message("a"));
  bench.fanOut.deliver(u, message("b"));
  bench.hub.leave(session, t);
  bench.fanOut.send(session, Buffer.from("answer;"));
  bench.fanOut.deliver(u, message("c"));
  bench.endTurn();
  expect(sink.text).toBe("t+u>t:a;now u;answer;u>u:b;u>u:c;");
});

test("O3: keeps the topics of a session that ends, also for the messages that it still gets", () => {
  const { bench, frames, session, sink, t, u } = start();
  bench.fanOut.deliver(u, message("a"));
  bench.fanOut.deliver(t, message("b"));
  bench.hub.remove(session, "service_restart");
  expect(sink.text).toBe("t+u>t:b;t+u>u:a;");
  expect([...frames.topics]).toEqual(["t", "u"]);
});
