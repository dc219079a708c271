import { MemoryDriver } from "../../../src/brokers/memory/driver.js";
import type { HistoryClass } from "../../../src/core/history.js";
import {
  AMPLE,
  historyClass,
  newMessage,
  numbered,
  TestTopic,
  textsOf,
  VHOST,
} from "../../contract/history/support.js";
import { ManualClock } from "../../support/manual-clock.js";

function setUp(bounds: Partial<HistoryClass> = {}) {
  const clock = new ManualClock();
  const driver = new MemoryDriver({ clock });
  const world = { drivers: [driver], outlive: () => Promise.resolve() } as const;
  return { clock, driver, topic: new TestTopic(world, "room.1", historyClass("chat", bounds)) };
}

const { held: nothing } = setUp().driver.history.counts;

test("H9: removes the oldest messages of a topic that has more than topic_bytes", async () => {
  const { topic } = setUp({ topicBytes: 10_000 });
  const other = topic.with({ topic: "room.2" });
  await other.publishTexts(["other"]);
  await topic.publishTexts(numbered(4).map((digit) => digit.repeat(3_000)));

  expect(textsOf((await topic.read()).messages).map(([first]) => first)).toEqual(["2", "3", "4"]);
  expect(textsOf((await other.read()).messages)).toEqual(["other"]);
});

test("H9: removes the oldest message of the class, of whichever topic, when one more would exceed its bytes", async () => {
  const { topic } = setUp({ bytes: 10_000 });
  const topics = numbered(3, "room.").map((name) => topic.with({ topic: name }));
  for (const each of [...topics, ...topics]) await each.publishTexts(["x".repeat(2_500)]);

  const left = await Promise.all(topics.map(async (each) => (await each.read()).messages.length));
  expect(left).toEqual([1, 1, 1]);
});

test("H9, L21: counts the names of topics, and ids and events, towards the bytes of the class", async () => {
  const { driver, topic } = setUp({ bytes: 1_048_576 });
  const { held } = driver.history.counts;
  const names = numbered(4_000, `${"t".repeat(200)}.`);
  await driver.publish(names.map((name) => topic.with({ topic: name }).to(newMessage("x"))));

  expect(held.bytes).toBeLessThanOrEqual(1_048_576);
  // Each topic has at least the bytes of its name and of its only message.
  expect(held.messages).toBeLessThan(1_048_576 / (200 + 256));
  expect(held.messages).toBeGreaterThan(500);
  for (const name of names) await driver.history.purge(topic.with({ topic: name }));
  expect(held).toEqual(nothing);
});

test("H5, L21: remembers ids of long names up to a bound, the newest ones", async () => {
  const { driver, topic } = setUp({ bytes: 65_536 });
  const messages = numbered(4_000).map((text) => ({ ...newMessage(text), id: text.padStart(200, "0") }));
  await driver.publish(messages.map((message) => topic.to(message)));

  const [oldest, newest] = [messages[0], messages.at(-1)];
  if (oldest === undefined || newest === undefined) throw new Error("no messages");
  expect((await topic.publish(newest)).duplicate).toBe(true);
  expect((await topic.publish(oldest)).duplicate).toBe(false);
});

test("H9: removes expired messages from memory when nobody reads them", async () => {
  const { clock, driver, topic } = setUp({ age: 60_000, deduplication: 10_000 });
  await topic.publishTexts(numbered(3));
  clock.advance(30_000);
  await topic.with({ topic: "room.2" }).publishTexts(["4"]);
  expect(driver.history.counts.held.messages).toBe(4);

  clock.advance(31_000);
  expect(driver.history.counts.held.messages).toBe(1);
  clock.advance(31_000);
  expect(driver.history.counts.held).toEqual(nothing);
  clock.advance(60_000);
  expect(clock.timers).toBe(0);
});

test("H9: does not list an expired message before it is removed from memory", async () => {
  const { clock, topic } = setUp({ age: 60_000 });
  const listener = await topic.listen();
  const [first = ""] = await topic.publishTexts(["1", "2"]);
  clock.advance(200);
  const [third = ""] = await topic.publishTexts(["3"]);

  clock.advance(59_799);
  expect(textsOf((await topic.read()).messages)).toEqual(["1", "2", "3"]);
  clock.advance(1);
  expect(textsOf((await topic.read()).messages)).toEqual(["3"]);
  expect(textsOf((await listener.rewind(5)).messages)).toEqual(["3"]);
  expect(await listener.recover(first)).toMatchObject({ failure: "expired", position: third });
});

test("H9: removes many expired messages in parts", async () => {
  const { clock, driver, topic } = setUp({ age: 60_000, messages: 100_000, bytes: 1_073_741_824 });
  const { held } = driver.history.counts;
  await driver.publish(numbered(12_000).map((text) => topic.to(newMessage(text))));

  const counts: number[] = [];
  clock.sleep(60_000);
  do {
    counts.push(held.messages);
    clock.sleep(1);
  } while (held.messages > 0);

  expect(counts).toEqual([7_000, 2_000]);
});

test("H5: stores a message again when its id repeats after the window", async () => {
  const { clock, topic } = setUp({ deduplication: 10_000 });
  const message = newMessage("1");
  const first = await topic.publish(message);
  clock.advance(9_999);
  expect(await topic.publish(message)).toEqual({ position: first.position, duplicate: true });
  clock.advance(1);

  const second = await topic.publish(message);

  expect(second.duplicate).toBe(false);
  expect(second.position).not.toBe(first.position);
  expect(textsOf((await topic.read()).messages)).toEqual(["1", "1"]);
});

test("H5: stores every message of a class without deduplication", async () => {
  const { topic } = setUp({ deduplication: 0 });
  const message = newMessage("1");
  expect([(await topic.publish(message)).duplicate, (await topic.publish(message)).duplicate]).toEqual([false, false]);
});

test("H3: does not recognize a position of an earlier process", async () => {
  const before = setUp().topic;
  const [first = ""] = await before.publishTexts(["1", "2"]);
  const empty = (await before.with({ topic: "room.2" }).listen()).position;
  const { topic } = setUp();
  await topic.publishTexts(["1", "2"]);

  for (const position of [first, empty]) {
    expect((await (await topic.listen()).recover(position)).failure).toBe("unknown_position");
  }
});

test("H8: keeps the position of a topic without messages valid for any time", async () => {
  const { clock, topic } = setUp({ age: 1_000, deduplication: 1_000 });
  const listener = await topic.listen();
  const { position } = listener;
  listener.subscription.close();
  for (const other of numbered(100, "other.")) {
    await topic.with({ topic: other }).publishTexts(["1"]);
    clock.advance(5_000);
  }

  expect(await (await topic.listen()).recover(position)).toMatchObject({ messages: [], failure: undefined });
});

test("H3: reports `expired` for a topic whose messages have all expired, also after its log was dropped", async () => {
  const { clock, topic } = setUp({ age: 1_000, deduplication: 1_000 });
  const listener = await topic.listen();
  const empty = listener.position;
  listener.subscription.close();
  const [first = "", last = ""] = await topic.publishTexts(["1", "2"]);
  clock.advance(5_000);

  const again = await topic.listen();
  for (const position of [empty, first]) expect((await again.recover(position)).failure).toBe("expired");
  expect(await again.recover(last)).toMatchObject({ messages: [], failure: undefined });
});

test("H9: removes the messages of a class that the settings no longer have, and lets their positions expire", async () => {
  const { driver, topic } = setUp();
  const listener = await topic.listen();
  const idle = topic.with({ topic: "room.2" });
  const positions = await topic.publishTexts(["1", "2"]);
  const [idlePosition = ""] = await idle.publishTexts(["1"]);

  expect(await driver.history.prepareClasses(VHOST, [])).toEqual([]);

  expect(driver.history.counts.held).toEqual(nothing);
  for (const position of positions) expect((await listener.recover(position)).failure).toBe("expired");
  expect((await (await idle.listen()).recover(idlePosition)).failure).toBe("expired");
  const { position } = listener;
  await topic.publishTexts(["3"]);
  expect(await listener.texts(3)).toEqual(["1", "2", "3"]);
  expect(textsOf((await listener.recover(position)).messages)).toEqual(["3"]);
});

test("H9: keeps classes whose settings have not changed, and those of other vhosts", async () => {
  const { driver, topic } = setUp();
  await topic.publishTexts(["1"]);
  await topic.inOtherVhost.publishTexts(["1"]);

  await driver.history.prepareClasses(VHOST, [{ ...topic.history }]);
  await driver.history.prepareClasses("/unknown", []);

  expect((await topic.read()).messages.length).toBe(1);
  expect((await topic.inOtherVhost.read()).messages.length).toBe(1);
});

test("H9: frees everything and stops its timers when it stops", async () => {
  const { clock, driver, topic } = setUp();
  const listener = await topic.listen();
  await topic.publishTexts(numbered(10));

  await driver.stop();

  expect(driver.history.counts.held).toEqual(nothing);
  expect(clock.timers).toBe(0);
  expect(listener.log.position).toBeUndefined();
});

test("H9: keeps no request in memory because of a small payload within it", async () => {
  const { topic } = setUp();
  const listener = await topic.listen();
  const request = Buffer.alloc(1_048_576, "x");
  await topic.publish({ ...newMessage(""), payload: request.subarray(10, 15) });

  const [message] = await listener.next(1);

  expect(Buffer.from(message?.payload ?? []).toString()).toBe("xxxxx");
  expect(message?.payload.buffer.byteLength).toBe(5);
});

test("H2: completes a replay after the topic has lost its history class", async () => {
  const { topic } = setUp();
  const listener = await topic.listen();
  const { position } = listener;
  const recovery = await listener.log.prepare({ kind: "after", position }, AMPLE);
  const rewind = await listener.log.prepare({ kind: "latest", limit: 5, since: undefined }, AMPLE);
  await topic.publishTexts(["1"]);
  listener.subscription.changeHistory(undefined);

  expect(recovery.take()).toEqual({ messages: [], position: undefined, failure: "unknown_position" });
  expect(rewind.take()).toEqual({ messages: [], position: undefined, failure: undefined });
});
