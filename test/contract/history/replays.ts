import { Queue } from "../../support/queue.js";
import { END, Member } from "./member.js";
import {
  AMPLE,
  CHAT,
  type HistorySuite,
  historyClass,
  newMessage,
  numbered,
  prepareClasses,
  TestTopic,
  textsOf,
} from "./support.js";

/** Rewind, and replays beside live messages. */
export const replaySuite: HistorySuite = (world) => {
  async function createTopic(name = "room.1", history = CHAT): Promise<TestTopic> {
    await prepareClasses(world(), history);
    return new TestTopic(world(), name, history);
  }

  test("H2: rewinds to the newest messages, oldest first, as many as requested or stored", async () => {
    const topic = await createTopic();
    await topic.publishTexts(numbered(5));
    const listener = await topic.listen(topic.other);

    for (const count of [0, 1, 3, 5, 8]) {
      const { failure, messages, position } = await listener.rewind(count);
      expect({ failure, texts: textsOf(messages) }).toEqual({
        failure: undefined,
        texts: numbered(5).slice(Math.max(0, 5 - count)),
      });
      expect(position).toBe(listener.position);
    }
  });

  test("H2: rewinds a topic without messages to its position", async () => {
    const listener = await (await createTopic()).listen();
    expect(await listener.rewind(5)).toEqual({ messages: [], position: listener.position, failure: undefined });
  });

  test("H2: rewinds to a time, and to the newest messages since then", async () => {
    const topic = await createTopic();
    for (const time of [1_000, 2_000, 3_000, 4_000]) await topic.publish(newMessage(String(time), { time }));
    const listener = await topic.listen();

    const textsSince = async (limit: number, since: number) => textsOf((await listener.rewind(limit, since)).messages);
    expect(await textsSince(10, 2_000)).toEqual(["2000", "3000", "4000"]);
    expect(await textsSince(10, 2_001)).toEqual(["3000", "4000"]);
    expect(await textsSince(1, 2_001)).toEqual(["4000"]);
    expect(await textsSince(10, 0)).toEqual(["1000", "2000", "3000", "4000"]);
    expect(await textsSince(10, 4_001)).toEqual([]);
  });

  test("H2: rewinds to the newest messages within the limits", async () => {
    const topic = await createTopic();
    await topic.publishTexts(["x".repeat(500), "y".repeat(400), "z".repeat(300)]);
    const listener = await topic.listen();

    const sizes = async (messages: number, bytes: number) =>
      (await listener.rewind(10, undefined, { messages, bytes })).messages.map(({ payload }) => payload.length);
    expect(await sizes(2, AMPLE.bytes)).toEqual([400, 300]);
    expect(await sizes(10, 1_199)).toEqual([400, 300]);
    expect(await sizes(10, 1_200)).toEqual([500, 400, 300]);
    expect(await sizes(10, 299)).toEqual([]);
    expect(await sizes(0, AMPLE.bytes)).toEqual([]);
  });

  test("H2: rewinds after messages were removed to those that are left", async () => {
    const topic = await createTopic("room.1", historyClass("few", { messages: 2 }));
    await topic.publishTexts(numbered(5));
    expect(textsOf((await (await topic.listen()).rewind(5)).messages)).toEqual(["4", "5"]);
  });

  test("H2: adds messages that arrive between reading and taking a replay", async () => {
    const topic = await createTopic();
    const listener = await topic.listen();
    const start = listener.position;
    await topic.publishTexts(["1", "2"]);
    const recovery = await listener.log.prepare({ kind: "after", position: start }, AMPLE);
    const rewind = await listener.log.prepare({ kind: "latest", limit: 3, since: undefined }, AMPLE);
    await topic.publishTexts(["3", "4"]);
    await listener.texts(4);

    expect(textsOf(recovery.take().messages)).toEqual(["1", "2", "3", "4"]);
    expect(textsOf(rewind.take().messages)).toEqual(["2", "3", "4"]);
    expect(recovery.take()).toMatchObject({ position: listener.position, failure: undefined });
  });

  test("H4: delivers the messages of all publishers in the stored order on every node", async () => {
    const topic = await createTopic();
    const { drivers } = world();
    const listeners = await Promise.all([...drivers, ...drivers].map((driver) => topic.listen(driver)));

    await Promise.all(
      drivers.map((driver, node) =>
        Promise.all(numbered(100, `${node}:`).map((text) => topic.publishTexts([text], driver))),
      ),
    );
    await topic.publishTexts([END]);

    const stored = (await topic.read()).messages.map(({ position }) => position);
    expect(stored.length).toBe(drivers.length * 100 + 1);
    for (const listener of listeners) {
      expect((await listener.until(END)).map(({ position }) => position)).toEqual(stored);
    }
  });

  test("H2: gives members that recover while others publish every message once, in the stored order", async () => {
    const topic = await createTopic();
    const { drivers } = world();
    const empty = (await topic.listen()).position;
    const known = new Queue<string>();
    const publishing = Promise.all(
      drivers.map(async (driver, node) => {
        for (const text of numbered(150, `${node}:`)) {
          const receipt = topic.publish(newMessage(text), driver);
          if (text.endsWith("0")) known.push((await receipt).position);
        }
      }),
    );
    const members: { readonly start: string; readonly member: Member }[] = [];
    const starts = [empty, ...(await Promise.all(Array.from({ length: 10 }, () => known.next())))];
    for (const [index, start] of starts.entries()) {
      const driver = drivers[index % drivers.length] ?? topic.driver;
      members.push({ start, member: await Member.join(topic, driver, { kind: "after", position: start }) });
    }
    await publishing;
    await topic.publishTexts([END]);

    for (const { member, start } of members) {
      expect(member.failure).toBeUndefined();
      const received = await member.texts();
      const after = start === empty ? undefined : start;
      expect(received).toEqual(textsOf((await topic.read({ after })).messages));
    }
  });

  test("H2: gives members that rewind while others publish the stored messages and the live ones without a gap", async () => {
    const topic = await createTopic();
    await topic.publishTexts(numbered(20, "before "));
    const publishing = Promise.all(numbered(150).map((text) => topic.publish(newMessage(text), topic.other)));
    const members: Member[] = [];
    for (let index = 0; index < 10; index += 1) {
      members.push(await Member.join(topic, topic.driver, { kind: "latest", limit: 5, since: undefined }));
    }
    await publishing;
    await topic.publishTexts([END]);

    const stored = textsOf((await topic.read()).messages);
    for (const member of members) {
      const received = await member.texts();
      expect(received.length).toBeGreaterThan(5);
      expect(received).toEqual(stored.slice(-received.length));
    }
  });
};
