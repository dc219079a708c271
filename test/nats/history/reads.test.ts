import { startNatsDriver } from "../../support/nats/driver.js";
import { follow, historyClass, store, storedPublication, textsOf } from "../../support/nats/history.js";
import { startJetStream } from "../../support/nats/store.js";

const large = historyClass({ name: "large", messages: 2_000 });
const stored = { vhost: "/", topic: "a", history: large };

test("H10: reads long pages by few requests, and the same messages as were published", async () => {
  const { url } = await startJetStream();
  const { driver } = await startNatsDriver({ servers: [url] });
  const { driver: other } = await startNatsDriver({ servers: [url] });
  const texts = Array.from({ length: 1_300 }, (_, index) => `message ${index}`);
  const publications = texts.map((text) => storedPublication("a", text, large));
  // Messages of other topics are in between.
  await driver.publish(publications.flatMap((publication) => [publication, { ...publication, topic: "b" }]));

  const page = await other.history.read(stored, { limit: 1_000, bytes: 1 << 20, from: "newest" });
  expect(textsOf(page.messages)).toEqual(texts.slice(-1_000));
  expect(page.more).toBe(true);
  const { position } = page.messages[0] ?? { position: "" };
  const before = await other.history.read(stored, { limit: 1_000, bytes: 1 << 20, from: "newest", before: position });
  expect(textsOf(before.messages)).toEqual(texts.slice(0, 300));
  expect(before.more).toBe(false);
  const oldest = await other.history.read(stored, {
    limit: 50,
    bytes: 1 << 20,
    from: "oldest",
    after: before.messages[9]?.position,
  });
  expect(textsOf(oldest.messages)).toEqual(texts.slice(10, 60));

  const { batch = 0, consumer = 0, direct = 0, leader = 0 } = other.history.counts.reads;
  expect(direct).toBeLessThan(50);
  expect(batch + consumer + direct + leader).toBeLessThan(60);
});

test("H2: serves clients that return together from memory, or by one read that they share", async () => {
  const { url } = await startJetStream();
  const { driver } = await startNatsDriver({ servers: [url] });
  const { driver: other } = await startNatsDriver({ servers: [url] });
  const topic = await follow(driver, "a", large);
  const { position } = await store(driver, storedPublication("a", "first", large));
  for (let index = 0; index < 20; index += 1) await store(driver, storedPublication("a", String(index), large));
  await topic.next(21);
  const { reads: before } = driver.history.counts;
  const requests = sum(before);

  const replays = await Promise.all(Array.from({ length: 500 }, () => topic.recover(position)));

  for (const { failure, messages } of replays) expect([failure, messages.length]).toEqual([undefined, 20]);
  expect(sum(driver.history.counts.reads)).toBe(requests);

  const there = await follow(other, "a", large);
  const first = sum(other.history.counts.reads);
  const others = await Promise.all(Array.from({ length: 500 }, () => there.recover(position)));
  for (const { failure, messages } of others) expect([failure, messages.length]).toEqual([undefined, 20]);
  expect(sum(other.history.counts.reads) - first).toBeLessThan(40);
});

function sum({ batch = 0, consumer = 0, direct = 0, leader = 0 }: Readonly<Record<string, number>>): number {
  return batch + consumer + direct + leader;
}

/** Texts of the messages from a number to 29. */
function numbersFrom(from: number): string[] {
  return Array.from({ length: 30 - from }, (_, index) => `${from + index}`);
}

test("H2: serves later replays from the ring when one has read the store", async () => {
  const server = await startJetStream();
  const { driver: publisher } = await startNatsDriver({ servers: [server.url] });
  const chat = historyClass();
  const positions: string[] = [];
  for (let index = 0; index < 30; index += 1) {
    positions.push((await store(publisher, storedPublication("a", `${index}`, chat))).position);
  }
  const { driver } = await startNatsDriver({ servers: [server.url] });
  const topic = await follow(driver, "a", chat);
  const recover = async (index: number): Promise<string[]> => {
    const { failure, messages } = await topic.recover(positions[index] ?? "");
    expect(failure).toBeUndefined();
    return textsOf(messages);
  };

  expect(await recover(4)).toEqual(numbersFrom(5));
  const { direct, leader } = driver.history.counts.reads;
  for (const index of [4, 5, 12, 29]) expect(await recover(index)).toEqual(numbersFrom(index + 1));
  expect(textsOf((await topic.rewind(10)).messages)).toEqual(numbersFrom(20));
  expect(driver.history.counts.reads).toMatchObject({ direct, leader });

  expect(await recover(0)).toEqual(numbersFrom(1));
  expect(await recover(1)).toEqual(numbersFrom(2));
});
