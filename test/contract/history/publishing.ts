import type { Publication } from "../../../src/core/message.js";
import {
  CHAT,
  type HistorySuite,
  historyClass,
  Listener,
  newMessage,
  numbered,
  prepareClasses,
  TestTopic,
  textsOf,
  VHOST,
} from "./support.js";

/** Receipts, and message ids that repeat. */
export const publishingSuite: HistorySuite = (world) => {
  async function createTopic(name = "room.1", history = CHAT): Promise<TestTopic> {
    await prepareClasses(world(), history);
    return new TestTopic(world(), name, history);
  }

  test("H1: receives the position in the receipt that every subscriber sees and that the store lists", async () => {
    const topic = await createTopic();
    const listeners = await Promise.all(world().drivers.map((driver) => topic.listen(driver)));

    const receipt = await topic.publish(newMessage("1"), topic.other);

    expect(receipt).toMatchObject({ duplicate: false, position: expect.stringMatching(/^[\w.-]{1,64}$/) as string });
    for (const listener of listeners) {
      const [message] = await listener.next(1);
      expect(message?.position).toBe(receipt.position);
    }
    expect((await topic.read()).messages.map(({ position }) => position)).toEqual([receipt.position]);
  });

  test("H1: gives each publication with history a receipt of its own, and none to the others", async () => {
    const topic = await createTopic();
    const message = newMessage("1");
    const stored = [topic, topic.with({ topic: "room.2" }), topic.inOtherVhost].map((each) => each.to(message));
    const plain: Publication = { vhost: VHOST, topic: "plain", message };

    const { driver } = topic;
    driver.admit([...stored, plain]);
    const published = await driver.publish([...stored, plain]);

    expect(published.stage).toBe("flushed");
    expect(new Set(published.stored.keys())).toEqual(new Set(stored));
    expect(new Set([...published.stored.values()].map(({ position }) => position)).size).toBe(3);
    for (const { duplicate } of published.stored.values()) expect(duplicate).toBe(false);
  });

  test("H7: delivers a topic without history without a position, and stores nothing", async () => {
    const topic = await createTopic();
    const plain = new Listener(topic.driver, { vhost: VHOST, topic: topic.topic, history: undefined });
    await topic.driver.settle();

    const published = await topic.driver.publish([{ vhost: VHOST, topic: topic.topic, message: newMessage("1") }]);

    expect(plain.subscription.log).toBeUndefined();
    expect(published.stored.size).toBe(0);
    const [message] = await plain.next(1);
    expect(message?.position).toBeUndefined();
    expect((await topic.read()).messages).toEqual([]);
  });

  test("H5: returns the first receipt for a repeated id, and delivers and stores nothing again", async () => {
    const topic = await createTopic();
    const listeners = await Promise.all(world().drivers.map((driver) => topic.listen(driver)));
    const message = newMessage("1");
    const first = await topic.publish(message);
    await topic.publish(newMessage("2"));

    for (const driver of world().drivers) {
      expect(await topic.publish({ ...message, payload: Buffer.from("changed") }, driver)).toEqual({
        position: first.position,
        duplicate: true,
      });
    }

    await topic.publishTexts(["3"]);
    for (const listener of listeners) {
      expect(await listener.texts(3)).toEqual(["1", "2", "3"]);
      expect(listener.heard.unread).toEqual([]);
    }
    expect(textsOf((await topic.read()).messages)).toEqual(["1", "2", "3"]);
  });

  test("H5: stores one id on several topics, vhosts and classes", async () => {
    const other = historyClass("other");
    const topic = await createTopic();
    await prepareClasses(world(), CHAT, other);
    const topics = [topic, topic.with({ topic: "room.2" }), topic.inOtherVhost, topic.with({ history: other })];
    const message = newMessage("1");

    for (const each of topics) expect((await each.publish(message)).duplicate).toBe(false);
    for (const each of topics) expect((await each.publish(message)).duplicate).toBe(true);
    for (const each of topics) expect(textsOf((await each.read()).messages)).toEqual(["1"]);
  });

  test("H5: recognizes an id that repeats within a batch", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const publications = ["1", "2"].map((text) => topic.to({ ...newMessage(text), id: "same id, with: signs ä" }));

    const { stored } = await topic.driver.publish(publications);

    const [first, second] = publications.map((publication) => stored.get(publication));
    expect(first?.duplicate).toBe(false);
    expect(second).toEqual({ position: first?.position, duplicate: true });
    await topic.publishTexts(["3"]);
    expect(await listener.texts(2)).toEqual(["1", "3"]);
  });

  test("H5: stores a message once when publishers on all nodes repeat it at the same time", async () => {
    const topic = await createTopic();
    const message = newMessage("1");
    const drivers = Array.from({ length: 10 }, () => world().drivers).flat();

    const receipts = await Promise.all(drivers.map((driver) => topic.publish(message, driver)));

    expect(receipts.filter(({ duplicate }) => !duplicate).length).toBe(1);
    expect(new Set(receipts.map(({ position }) => position)).size).toBe(1);
    expect((await topic.read()).messages.length).toBe(1);
  });

  test("H5: recognizes the id of a message that was removed", async () => {
    const topic = await createTopic("room.1", historyClass("few", { messages: 1 }));
    const listener = await topic.listen();
    const message = newMessage("1");
    await topic.publish(message);
    await topic.publishTexts(["2"]);

    expect((await topic.publish(message)).duplicate).toBe(true);

    await topic.publishTexts(["3"]);
    expect(await listener.texts(3)).toEqual(["1", "2", "3"]);
  });

  test("H9: refuses a message that is larger than the bounds of its topic, and stores nothing of its batch", async () => {
    const topic = await createTopic("room.1", historyClass("small", { bytes: 1_048_576, topicBytes: 65_536 }));
    const publications = [topic.to(newMessage("1")), topic.to(newMessage("x".repeat(65_536)))];

    expect(() => {
      topic.driver.admit(publications);
    }).toThrow(expect.objectContaining({ code: "invalid_argument" }) as Error);
    expect((await topic.read()).messages).toEqual([]);
    await topic.publish(newMessage("y".repeat(50_000)));
  });

  test("O1: stores a batch in its order", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const texts = numbered(200);

    await topic.driver.publish(texts.map((text) => topic.to(newMessage(text))));

    expect(await listener.texts(200)).toEqual(texts);
    expect(textsOf((await topic.read()).messages)).toEqual(texts);
  });
};
