import type { Message } from "../../../src/core/message.js";
import {
  AMPLE,
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

const DEADLINE = 1_000;

/** Changes of a topic's class, and the end of subscriptions and drivers. */
export const changeSuite: HistorySuite = (world) => {
  const other = historyClass("other");

  async function createTopic(): Promise<TestTopic> {
    await prepareClasses(world(), CHAT, other);
    return new TestTopic(world(), "room.1");
  }

  test("H4: delivers on without loss when the class of a topic changes", async () => {
    const topic = await createTopic();
    const changed = topic.with({ history: other });
    const listener = await topic.listen();
    const [first = ""] = await topic.publishTexts(["1", "2"]);
    await listener.texts(2);

    listener.subscription.changeHistory(other);
    await topic.driver.settle();
    await listener.subscription.log?.settle();
    const [third = ""] = await changed.publishTexts(["3", "4"]);

    expect(await listener.texts(2)).toEqual(["3", "4"]);
    expect(textsOf((await listener.recover(third)).messages)).toEqual(["4"]);
    expect(await listener.recover(first)).toMatchObject({ messages: [], failure: "unknown_position" });
    expect(textsOf((await topic.read()).messages)).toEqual(["1", "2"]);
    expect(textsOf((await changed.read()).messages)).toEqual(["3", "4"]);
  });

  test("H7: stops and begins to store when a topic loses and gets its class", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const publishPlain = (text: string) =>
      topic.driver.publish([{ vhost: VHOST, topic: topic.topic, message: newMessage(text) }]);

    listener.subscription.changeHistory(undefined);
    await topic.driver.settle();
    await listener.subscription.log?.settle();
    expect(listener.subscription.log).toBeUndefined();
    await publishPlain("1");
    listener.subscription.changeHistory(CHAT);
    await topic.driver.settle();
    await listener.subscription.log?.settle();
    const start = listener.position;
    await topic.publishTexts(["2"]);

    const messages = await listener.next(2);
    expect(textsOf(messages)).toEqual(["1", "2"]);
    expect(messages[0]?.position).toBeUndefined();
    expect(textsOf((await listener.recover(start)).messages)).toEqual(["2"]);
  });

  test("H2: loses and repeats nothing when the class changes while others publish", async () => {
    const topic = await createTopic();
    const classes = [CHAT, other, undefined] as const;
    const listener = await topic.listen();
    for (const [turn, history] of [...classes, ...classes, ...classes].entries()) {
      listener.subscription.changeHistory(history);
      const publications = numbered(20, `${turn}:`).map((text) => {
        const message = newMessage(text);
        return { vhost: VHOST, topic: topic.topic, message, history };
      });
      await Promise.all(publications.map(async (publication) => topic.driver.publish([publication])));
      const texts = await listener.texts(20);
      expect(texts.toSorted()).toEqual(numbered(20, `${turn}:`).toSorted());
    }
    expect(listener.heard.unread).toEqual([]);
  });

  test("H3: does not complete a recovery whose class changes before it is taken", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const [first = ""] = await topic.publishTexts(["1", "2"]);
    const prepared = await listener.log.prepare({ kind: "after", position: first }, AMPLE);

    listener.subscription.changeHistory(other);
    await topic.driver.settle();
    await listener.subscription.log?.settle();
    await topic.with({ history: other }).publishTexts(["3"]);

    const { failure, messages } = prepared.take();
    expect({ failure, messages }).toEqual({ failure: "unknown_position", messages: [] });
  });

  test("H9: removes messages when the bounds of a class are lowered", async () => {
    const topic = await createTopic();
    await topic.publishTexts(numbered(10));

    const lowered = { ...CHAT, messages: 4 };
    await prepareClasses(world(), lowered, other);
    const changed = topic.with({ history: lowered });

    expect(textsOf((await changed.read()).messages)).toEqual(["7", "8", "9", "10"]);
    await changed.publishTexts(["11"]);
    expect(textsOf((await changed.read()).messages)).toEqual(["8", "9", "10", "11"]);
  });

  test("H9: removes all messages of a deleted vhost, and stores those of a new one of the same name", async () => {
    const topic = await createTopic();
    const [position = ""] = await topic.publishTexts(["1"]);
    await topic.driver.history.deleteVhost(VHOST);
    await prepareClasses(world(), CHAT, other);

    expect((await topic.read()).messages).toEqual([]);
    const listener = await topic.listen();
    expect(await listener.recover(position)).toMatchObject({ messages: [], failure: expect.any(String) as string });
    await topic.publishTexts(["2"]);
    expect(await listener.texts(1)).toEqual(["2"]);
    expect(textsOf((await topic.read()).messages)).toEqual(["2"]);
  });

  test("O3: delivers nothing after close, and keeps what is stored", async () => {
    const topic = await createTopic();
    const gone = await topic.listen();
    const stays = await topic.listen();
    const [first = ""] = await topic.publishTexts(["1"]);
    await gone.texts(1);

    gone.subscription.close();
    gone.subscription.close();
    await topic.publishTexts(["2"]);

    expect(await stays.texts(2)).toEqual(["1", "2"]);
    expect(gone.heard.unread).toEqual([]);
    stays.subscription.close();
    await topic.publishTexts(["3"]);
    expect(textsOf((await (await topic.listen()).recover(first)).messages)).toEqual(["2", "3"]);
  });

  test("H2: gives each subscription of a topic its own log", async () => {
    const topic = await createTopic();
    const plain = new Listener(topic.driver, { vhost: VHOST, topic: topic.topic, history: undefined });
    const first = await topic.listen();
    const second = await topic.listen();
    await topic.publishTexts(["1"]);

    first.subscription.close();

    const heard: Message[] = [...(await plain.next(1)), ...(await second.next(1))];
    expect(textsOf(heard)).toEqual(["1", "1"]);
    expect(textsOf((await second.rewind(1)).messages)).toEqual(["1"]);
  });

  test("H6: is unavailable after stop", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const [first = ""] = await topic.publishTexts(["1", "2"]);
    const { log } = listener;

    await topic.driver.stop(DEADLINE);

    const unavailable = expect.objectContaining({ code: "unavailable" }) as Error;
    await expect(topic.read()).rejects.toThrow(unavailable);
    await expect(topic.purge()).rejects.toThrow(unavailable);
    await expect(topic.publish(newMessage("3"))).rejects.toThrow(unavailable);
    expect((await log.prepare({ kind: "after", position: first }, AMPLE)).take()).toMatchObject({
      messages: [],
      failure: "unavailable",
    });
    listener.subscription.changeHistory(other);
    listener.subscription.close();
  });
};
