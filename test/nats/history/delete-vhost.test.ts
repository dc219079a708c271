import { setImmediate } from "node:timers/promises";
import { connectNats } from "../../support/nats/client.js";
import { startNatsDriver } from "../../support/nats/driver.js";
import { historyClass, store, storedPublication, textsOf } from "../../support/nats/history.js";
import { startJetStream } from "../../support/nats/store.js";

const PAGE = { limit: 10, bytes: 1_000, from: "oldest" } as const;

test("N11: a node that hears late of a deletion leaves the streams of the new vhost alone", async () => {
  const { url } = await startJetStream();
  const [first, second] = [await startNatsDriver({ servers: [url] }), await startNatsDriver({ servers: [url] })];
  const old = historyClass();
  for (const { driver } of [first, second]) expect(await driver.history.prepareClasses("/", [old])).toEqual([]);
  await store(first.driver, storedPublication("a", "old", old));

  await first.driver.history.deleteVhost("/");
  const history = historyClass();
  await first.driver.history.prepareClasses("/", [history]);
  await store(first.driver, storedPublication("a", "new", history));
  await second.driver.history.deleteVhost("/");

  for (const { driver } of [first, second]) {
    const { messages } = await driver.history.read({ vhost: "/", topic: "a", history }, PAGE);
    expect(textsOf(messages)).toEqual(["new"]);
  }
});

test("N11: subscriptions and publishes of a deleted vhost do not create its streams again", async () => {
  const server = await startJetStream();
  const { driver } = await startNatsDriver({ servers: [server.url] });
  const old = historyClass({ name: "chat_1" });
  await store(driver, storedPublication("a", "old", old));
  const manager = await (await connectNats(server)).jetstreamManager();

  const deletion = driver.history.deleteVhost("/");
  await expect(store(driver, storedPublication("a", "late", old))).rejects.toMatchObject({ code: "unavailable" });
  await deletion;
  await expect(driver.history.read({ vhost: "/", topic: "a", history: old }, PAGE)).rejects.toMatchObject({
    code: "unavailable",
  });
  expect(await manager.streams.names().next()).toEqual([]);
});

test("N11: fails to delete a vhost while the server is away, and deletes it afterwards", async () => {
  const server = await startJetStream();
  const { driver, downs, ups } = await startNatsDriver({ servers: [server.url], confirmTimeout: 500 });
  await ups.next();
  const durable = historyClass({ storage: "file" });
  await store(driver, storedPublication("a", "old", durable));

  await server.kill();
  await downs.next();
  await expect(driver.history.deleteVhost("/")).rejects.toMatchObject({ code: "unavailable" });
  await server.start();
  await ups.next();
  // The connection for stored messages may come back later than the other one.
  for (let isDeleted = false; !isDeleted; ) {
    isDeleted = await driver.history.deleteVhost("/").then(
      () => true,
      () => false,
    );
    // A refusal without an answer from the server leaves no time for the connection to come back.
    await setImmediate();
  }
  const manager = await (await connectNats(server)).jetstreamManager();
  expect(await manager.streams.names().next()).toEqual([]);
});
