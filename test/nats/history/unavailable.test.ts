import { startNatsDriver } from "../../support/nats/driver.js";
import { follow, historyClass, store, storedPublication, textsOf } from "../../support/nats/history.js";
import { startNats } from "../../support/nats/server.js";
import { startJetStream } from "../../support/nats/store.js";
import { temporaryFolder } from "../../support/temporary-files.js";

const chat = historyClass();
const unavailable = expect.objectContaining({ code: "unavailable" }) as Error;

test("H6: without JetStream joins are live, publishes are unavailable, and all resumes when it is enabled", async () => {
  const server = await startNats();
  const { downs, driver, ups } = await startNatsDriver({ servers: [server.url], confirmTimeout: 2_000 });
  await ups.next();
  const topic = await follow(driver, "a", chat);

  expect(await driver.history.prepareClasses("/", [chat])).toEqual([
    expect.stringMatching(/^history class "chat": .*--jetstream/) as string,
  ]);
  expect(topic.subscription.log?.position).toBeUndefined();
  expect(await topic.recover("n.1.aaaaaaaaaaaaaaaa")).toEqual({
    messages: [],
    position: undefined,
    failure: "unavailable",
  });
  await expect(store(driver, storedPublication("a", "1", chat))).rejects.toThrow(unavailable);
  const stored = { vhost: "/", topic: "a", history: chat };
  await expect(driver.history.read(stored, { limit: 1, bytes: 1, from: "newest" })).rejects.toThrow(unavailable);
  await expect(driver.history.purge(stored)).rejects.toThrow(unavailable);
  const { history: _none, ...live } = storedPublication("a", "live", chat);
  await driver.publish([live]);
  expect(await topic.next(1)).toEqual(["live"]);

  server.reconfigure(`jetstream { store_dir: "${temporaryFolder()}" }`);
  await server.kill();
  await server.start();
  await downs.next();
  await ups.next();
  const second = storedPublication("a", "2", chat);
  for (;;) {
    const receipt = await store(driver, second).catch((cause: unknown) => cause);
    if (!(receipt instanceof Error)) break;
    expect(receipt).toMatchObject({ code: "unavailable" });
  }
  expect(await topic.next(1)).toEqual(["2"]);
  expect(textsOf((await topic.rewind(5)).messages)).toEqual(["2"]);
});

test("H6: a publish is unavailable while the server is silent, and a retry with the same id is stored once", async () => {
  const server = await startJetStream();
  const { driver } = await startNatsDriver({ servers: [server.url], confirmTimeout: 500 });
  const topic = await follow(driver, "a", chat);
  await store(driver, storedPublication("a", "1", chat));
  const second = storedPublication("a", "2", chat);

  server.signal("SIGSTOP");
  await expect(store(driver, second)).rejects.toThrow(unavailable);
  server.signal("SIGCONT");

  for (;;) {
    const receipt = await store(driver, second).catch((cause: unknown) => cause);
    if (!(receipt instanceof Error)) break;
    expect(receipt).toMatchObject({ code: "unavailable" });
  }
  await store(driver, storedPublication("a", "3", chat));
  expect(await topic.next(3)).toEqual(["1", "2", "3"]);
});

test("N11: tells the operator that the servers are too few for the replicas", async () => {
  const { url } = await startJetStream();
  const { driver } = await startNatsDriver({ servers: [url] });

  expect(await driver.history.prepareClasses("/", [chat, historyClass({ name: "safe", replicas: 3 })])).toEqual([
    expect.stringMatching(/^history class "safe": .*replicas/) as string,
  ]);
});

test("N11: gives a class whose storage changes an empty stream, and says so", async () => {
  const { url } = await startJetStream();
  const { driver } = await startNatsDriver({ servers: [url] });
  expect(await driver.history.prepareClasses("/", [chat])).toEqual([]);
  const topic = await follow(driver, "a", chat);
  const { position } = await store(driver, storedPublication("a", "1", chat));
  await topic.next(1);

  const durable = { ...chat, storage: "file" as const };
  expect(await driver.history.prepareClasses("/", [durable])).toEqual([
    'history class "chat": stream carillon-history_chat was replaced by an empty one, because storage has changed from memory',
  ]);
  topic.subscription.changeHistory(durable);
  const second = await store(driver, storedPublication("a", "2", durable));

  expect(await topic.next(1)).toEqual(["2"]);
  expect(topic.subscription.log?.position).toBe(second.position);
  expect(await topic.recover(position)).toMatchObject({ messages: [], failure: expect.any(String) as string });
  expect(await driver.history.prepareClasses("/", [durable])).toEqual([]);
});
