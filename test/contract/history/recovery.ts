import type { RecoveryFailure } from "../../../src/core/history.js";
import type { Message } from "../../../src/core/message.js";
import {
  AMPLE,
  CHAT,
  type HistorySuite,
  historyClass,
  type Listener,
  newMessage,
  numbered,
  prepareClasses,
  TestTopic,
  textsOf,
} from "./support.js";

/** Recovery after a position: complete, or refused with the reason. */
export const recoverySuite: HistorySuite = (world) => {
  async function createTopic(name = "room.1", history = CHAT): Promise<TestTopic> {
    await prepareClasses(world(), history);
    return new TestTopic(world(), name, history);
  }

  test("H2: recovers exactly the later messages, in order, after each position", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const texts = numbered(7);
    const positions = [listener.position, ...(await topic.publishTexts(texts))];
    await listener.texts(7);

    for (const [index, position] of positions.entries()) {
      const { failure, messages, position: end } = await listener.recover(position);
      expect({ failure, texts: textsOf(messages), end }).toEqual({
        failure: undefined,
        texts: texts.slice(index),
        end: positions.at(-1),
      });
    }
  });

  test("H2: recovers messages with their metadata, their bytes and their positions", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const start = listener.position;
    const payloads = [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, value) => value), Buffer.from("hällo")];
    const sent = payloads.map((payload) =>
      newMessage(payload, { event: "order.created", sender: "node.1f", time: 1_234_567_890_123 }),
    );
    const positions: string[] = [];
    for (const message of sent) positions.push((await topic.publish(message)).position);
    const live = await listener.next(3);

    const { messages } = await listener.recover(start);

    for (const found of [messages, live]) {
      expect(found.map(toFields)).toEqual(
        sent.map((message, index) => toFields({ ...message, position: positions[index] ?? "" })),
      );
    }
  });

  test("H8: gives a topic without messages a position from which later messages are recovered", async () => {
    const topic = await createTopic();
    const position = (await topic.listen()).position;
    expect(position).toMatch(/^[\w.-]{1,64}$/);

    expect(await (await topic.listen()).recover(position)).toMatchObject({ messages: [], failure: undefined });
    await topic.publishTexts(["1", "2"]);

    const { failure, messages } = await (await topic.listen()).recover(position);
    expect({ failure, texts: textsOf(messages) }).toEqual({ failure: undefined, texts: ["1", "2"] });
  });

  test("H8: keeps the position of a topic without messages valid while other topics are in use", async () => {
    const topic = await createTopic();
    const quiet = (await topic.listen()).position;
    const busy = topic.with({ topic: "busy" });
    const busyPosition = (await busy.listen()).position;
    await busy.publishTexts(numbered(30));
    await busy.purge();

    expect(await (await topic.listen()).recover(quiet)).toMatchObject({ messages: [], failure: undefined });
    expect((await (await busy.listen()).recover(busyPosition)).failure).toBe("expired");
  });

  test("H2: recovers on one node from the position of another, also of a topic without messages", async () => {
    const topic = await createTopic();
    const empty = (await topic.listen()).position;
    const [first = ""] = await topic.publishTexts(["1", "2", "3"]);
    const elsewhere = await topic.listen(topic.other);

    expect(textsOf((await elsewhere.recover(empty)).messages)).toEqual(["1", "2", "3"]);
    expect(textsOf((await elsewhere.recover(first)).messages)).toEqual(["2", "3"]);
  });

  test("H8: gives every node the same position after the same message", async () => {
    const topic = await createTopic();
    const listeners = await Promise.all([topic.driver, topic.other].map((driver) => topic.listen(driver)));
    const [, last] = await topic.publishTexts(["1", "2"]);

    for (const listener of listeners) {
      await listener.texts(2);
      expect(listener.position).toBe(last);
    }
    expect((await topic.listen(topic.other)).position).toBe(last);
    expect((await topic.read({}, topic.other)).position).toBe(last);
  });

  test("H3: reports `expired` when later messages were removed because of their number", async () => {
    const topic = await createTopic("room.1", historyClass("few", { messages: 3 }));
    const listener = await topic.listen();
    const empty = listener.position;
    const positions = await topic.publishTexts(numbered(10));

    for (const position of [empty, ...positions.slice(0, 6)]) await expectFailure(listener, position, "expired");
    expect(textsOf((await listener.recover(positions[7] ?? "")).messages)).toEqual(["9", "10"]);
    expect(textsOf((await topic.read()).messages)).toEqual(["8", "9", "10"]);
  });

  test("H3: reports `expired` when later messages were removed because of their age", async () => {
    const topic = await createTopic("room.1", historyClass("brief", { age: 1_000, deduplication: 500 }));
    const listener = await topic.listen();
    const [first = ""] = await topic.publishTexts(["1", "2", "3"]);
    await world().outlive(topic);

    await expectFailure(listener, first, "expired");
    expect((await topic.read()).messages).toEqual([]);
  });

  test("H9: removes the oldest messages of all topics when the class has too many bytes", async () => {
    const topic = await createTopic("room.old", historyClass("small", { bytes: 64 * 1_024 }));
    const [first = ""] = await topic.publishTexts(["1", "2"]);
    const other = topic.with({ topic: "room.new" });
    const large = "x".repeat(4_000);
    const positions = await other.publishTexts(Array.from({ length: 30 }, () => large));

    // A node that has been in the topic all the time may have the messages in its memory.
    await expectFailure(await topic.listen(), first, "expired");
    expect((await topic.read()).messages).toEqual([]);
    const kept = (await other.read()).messages;
    expect(kept.length).toBeGreaterThan(5);
    expect(kept.length).toBeLessThan(17);
    expect(kept.map(({ position }) => position)).toEqual(positions.slice(-kept.length));
  });

  test("H10: lets every earlier position expire when a topic is purged, and recovers later messages", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const earlier = [listener.position, ...(await topic.publishTexts(numbered(5)))];

    expect(await topic.purge(topic.other)).toBe(5);
    for (const position of earlier) await expectFailure(await topic.listen(), position, "expired");
    expect((await topic.read()).messages).toEqual([]);
    const start = (await topic.listen(topic.other)).position;
    expect(earlier).not.toContain(start);
    const [sixth = ""] = await topic.publishTexts(["6", "7"]);

    const again = await topic.listen();
    for (const position of earlier) await expectFailure(again, position, "expired");
    expect(textsOf((await again.recover(start)).messages)).toEqual(["6", "7"]);
    expect(textsOf((await again.recover(sixth)).messages)).toEqual(["7"]);
    expect(textsOf((await topic.read()).messages)).toEqual(["6", "7"]);
    // The purge itself is not delivered.
    expect(await listener.texts(7)).toEqual(numbered(7));
  });

  test("H10: lets the position of a topic without messages expire when it is purged", async () => {
    const topic = await createTopic();
    const empty = (await topic.listen()).position;

    expect(await topic.purge()).toBe(0);

    const listener = await topic.listen();
    await expectFailure(listener, empty, "expired");
    expect(await listener.recover(listener.position)).toMatchObject({ messages: [], failure: undefined });
  });

  test("H10: purges one topic only", async () => {
    const topic = await createTopic();
    const others = [topic.with({ topic: "room.2" }), topic.inOtherVhost];
    for (const each of [topic, ...others]) await each.publishTexts(["1", "2"]);

    await topic.purge();

    for (const each of others) expect(textsOf((await each.read()).messages)).toEqual(["1", "2"]);
  });

  test("H3: does not recognize the position of another topic, vhost or class", async () => {
    const other = historyClass("other");
    const topic = await createTopic();
    await prepareClasses(world(), CHAT, other);
    const strangers = [topic.with({ topic: "room.2" }), topic.inOtherVhost, topic.with({ history: other })];
    await topic.publishTexts(["1", "2"]);
    const listener = await topic.listen();

    for (const stranger of strangers) {
      const empty = (await stranger.listen()).position;
      const [first = "", second = ""] = await stranger.publishTexts(["1", "2"]);
      for (const position of [empty, first, second]) await expectFailure(listener, position, "unknown_position");
    }
  });

  test("H3: refuses a position that was changed in any character", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const empty = listener.position;
    const positions = [empty, ...(await topic.publishTexts(numbered(3))).slice(0, 2)];

    for (const position of positions) {
      for (let index = 0; index < position.length; index += 1) {
        const changed = `${position.slice(0, index)}${position[index] === "1" ? "2" : "1"}${position.slice(index + 1)}`;
        const { failure, messages } = await listener.recover(changed);
        expect(messages).toEqual([]);
        expect(["expired", "unknown_position"]).toContain(failure);
      }
    }
  });

  test.each([
    ["an empty text", ""],
    ["a number", "1"],
    ["dots", "..."],
    ["another alphabet", "ä.ö.ü"],
    ["line ends", "\r\n\r\n"],
    ["a long text", "x".repeat(10_000)],
    ["a position with a tail", "TAIL"],
    ["a position with a head", "HEAD"],
    ["an upper-case position", "UPPER"],
  ])("H3: does not recognize %s as a position", async (_name, text) => {
    const topic = await createTopic();
    const [position = ""] = await topic.publishTexts(["1", "2"]);
    const changed = { TAIL: `${position}x`, HEAD: `x${position}`, UPPER: position.toUpperCase() }[text] ?? text;

    await expectFailure(await topic.listen(), changed, "unknown_position");
  });

  test("H3: reports `too_many` when there are more messages than the limit, and recovers as many as the limit", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const start = listener.position;
    await topic.publishTexts(numbered(5));

    expect((await listener.recover(start, { ...AMPLE, messages: 5 })).messages.length).toBe(5);
    const { failure, messages, position } = await listener.recover(start, { ...AMPLE, messages: 4 });
    expect({ failure, messages, position }).toEqual({ failure: "too_many", messages: [], position: listener.position });
  });

  test("H3: reports `too_many` when there are more bytes than the limit, and recovers as many as the limit", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const start = listener.position;
    await topic.publishTexts(["x".repeat(600), "x".repeat(400)]);

    expect((await listener.recover(start, { ...AMPLE, bytes: 1_000 })).messages.length).toBe(2);
    expect(await listener.recover(start, { ...AMPLE, bytes: 999 })).toMatchObject({
      failure: "too_many",
      messages: [],
    });
  });

  test("H2: tells the number and bytes of the messages that a replay has read", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const start = listener.position;
    await topic.publishTexts(["xxx", "yy"]);
    await listener.texts(2);

    expect(await listener.log.prepare({ kind: "after", position: start }, AMPLE)).toMatchObject({ count: 2, bytes: 5 });
    expect(await listener.log.prepare({ kind: "after", position: "unknown" }, AMPLE)).toMatchObject({
      count: 0,
      bytes: 0,
    });
  });
};

async function expectFailure(listener: Listener, position: string, failure: RecoveryFailure): Promise<void> {
  expect(await listener.recover(position)).toEqual({ messages: [], position: listener.position, failure });
}

function toFields({ event, id, payload, position, sender, time }: Message) {
  return { event, id, payload: Buffer.from(payload).toString("hex"), position, sender, time };
}
