import type { Store, StoreChange } from "../../../src/store/store.js";
import { storeContract } from "../../contract/store.js";
import { until } from "../../support/backends/backend.js";
import { ManualClock } from "../../support/manual-clock.js";
import { connectNats } from "../../support/nats/client.js";
import { natsOptions } from "../../support/nats/events.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { type NatsServer, startNats } from "../../support/nats/server.js";
import { createNatsStore, startJetStream, startNatsStore } from "../../support/nats/store.js";
import { startTcpProxy } from "../../support/net/tcp-proxy.js";
import { Queue } from "../../support/queue.js";
import { temporaryFolder } from "../../support/temporary-files.js";

storeContract("nats", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { store: one } = await startNatsStore(server.url, { clock });
  const { store: other } = await startNatsStore(server.url, { clock });
  return { stores: [one, other], clock };
});

async function watch(store: Store, prefix: string): Promise<Queue<StoreChange>> {
  const queue = new Queue<StoreChange>();
  await store.watch(prefix, (change) => {
    queue.push(change);
  });
  return queue;
}

/** Returns the number of messages in the bucket's stream. */
async function messagesOf(server: NatsServer): Promise<number> {
  const connection = await connectNats(server);
  const manager = await connection.jetstreamManager();
  const { state } = await manager.streams.info("KV_carillon");
  await connection.close();
  return state.messages;
}

test("is shared between nodes", async () => {
  expect(createNatsStore("nats://127.0.0.1:1").store.shared).toBe(true);
});

test("explains at start how to enable JetStream", async () => {
  const server = await startNats();
  const { store } = createNatsStore(server.url);
  const error = await store.start().catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "failed_precondition", message: expect.stringMatching(/--jetstream/) });
  expect(store.up).toBe(false);
});

test("explains at start how to enable JetStream for an account", async () => {
  const server = await startNats(`
    jetstream { store_dir: "${temporaryFolder()}" }
    accounts { A { users: [{ user: a, password: secret }] } }
  `);
  const { store } = createNatsStore(server.url, {
    nats: natsOptions({ servers: [server.url], user: "a", password: "secret" }),
  });
  const error = await store.start().catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "failed_precondition", message: expect.stringMatching(/JetStream/) });
  expect(String(error)).not.toContain("secret");
});

test("rejects start for a wrong password", async () => {
  const server = await startNats("authorization { user: a, password: b }");
  const { store } = createNatsStore(server.url);
  await expect(store.start()).rejects.toMatchObject({ code: "failed_precondition" });
});

test("is unavailable until the server can be reached", async () => {
  const server = await startJetStream();
  await server.kill();
  const { store, ups } = await startNatsStore(server.url);
  const refused = { code: "unavailable" };
  expect(store.up).toBe(false);
  await expect(store.get("a")).rejects.toMatchObject(refused);
  await expect(store.list("")).rejects.toMatchObject(refused);
  await expect(store.create("a", "1")).rejects.toMatchObject(refused);
  await expect(store.watch("", () => {})).rejects.toMatchObject(refused);

  await server.start();
  await ups.next();
  expect(store.up).toBe(true);
  await store.create("a", "1");
  expect(await store.get("a")).toMatchObject({ value: "1" });
});

test("is unavailable during an outage, and recovers with all entries", async () => {
  const server = await startJetStream();
  const { downs, store, ups } = await startNatsStore(server.url);
  await ups.next();
  await store.create("w/a", "1");
  const revision = await store.create("w/b", "1");
  const queue = await watch(store, "w/");

  await server.kill();
  await downs.next();
  const refused = { code: "unavailable" };
  expect(store.up).toBe(false);
  await expect(store.get("w/a")).rejects.toMatchObject(refused);
  await expect(store.create("w/lost", "1")).rejects.toMatchObject(refused);
  await expect(store.watch("", () => {})).rejects.toMatchObject(refused);

  await server.start();
  await ups.next();
  expect(store.up).toBe(true);
  expect((await store.list("")).map(({ key }) => key)).toEqual(["w/a", "w/b"]);
  await store.update("w/b", "2", revision);
  expect([await queue.next(), await queue.next(), await queue.next()].map(({ value }) => value)).toEqual([
    "1",
    "1",
    "2",
  ]);
  expect(queue.unread).toEqual([]);
});

test("reports to a watch only the changes that were made during an outage", async () => {
  const server = await startJetStream();
  const gate = await startTcpProxy(server.port);
  const { downs, store, ups } = await startNatsStore(gate.natsUrl);
  const { store: other } = await startNatsStore(server.url);
  await ups.next();
  await other.create("w/same", "1");
  const revision = await other.create("w/changed", "1");
  await other.create("w/deleted", "1");
  await other.create("w/deleted-for-good", "1");
  const queue = await watch(store, "w/");
  for (let count = 0; count < 4; count += 1) await queue.next();

  gate.shut();
  await downs.next();
  await other.update("w/changed", "2", revision);
  await other.delete("w/deleted");
  await other.create("w/new", "1");
  await other.create("w/short", "1");
  await other.delete("w/short");
  const manager = await (await connectNats(server)).jetstreamManager();
  await manager.streams.purge("KV_carillon", { filter: "$KV.carillon.w.deleted-for-good" });

  gate.open();
  await ups.next();
  await other.create("w/end", "1");
  const changes: StoreChange[] = [];
  while (changes.at(-1)?.key !== "w/end") changes.push(await queue.next());
  changes.push(...queue.unread);
  expect(changes.toSorted((a, b) => (a.key < b.key ? -1 : 1))).toEqual([
    { key: "w/changed", value: "2" },
    { key: "w/deleted", value: undefined },
    { key: "w/deleted-for-good", value: undefined },
    { key: "w/end", value: "1" },
    { key: "w/new", value: "1" },
  ]);
});

test("rejects pending calls as unavailable at once when the connection is lost", async () => {
  const server = await startJetStream();
  const proxy = await startNatsProxy(server.port);
  // The test would end before this timeout.
  const nats = natsOptions({ servers: [proxy.url], confirmTimeout: 600_000 });
  const { store } = await startNatsStore(proxy.url, { nats });
  proxy.hold("server");
  const outcome = Promise.allSettled([
    store.get("a"),
    store.list(""),
    store.create("a", "1"),
    store.watch("", () => {}),
  ]);
  proxy.cut();
  const unavailable = { reason: { code: "unavailable" } };
  expect(await outcome).toMatchObject([unavailable, unavailable, unavailable, unavailable]);
});

test("rejects calls as unavailable after the timeout when the server does not answer", async () => {
  const server = await startJetStream();
  const proxy = await startNatsProxy(server.port);
  const nats = natsOptions({ servers: [proxy.url], confirmTimeout: 3_000 });
  const { store } = await startNatsStore(proxy.url, { nats });
  proxy.hold("server");
  const outcome = await Promise.allSettled([store.get("a"), store.list("")]);
  expect(outcome).toMatchObject([{ reason: { code: "unavailable" } }, { reason: { code: "unavailable" } }]);
  proxy.release();
  await store.create("b", "1");
});

/**
 * Reads entries, more than the server sends at a time, from a bucket of which the last ones are purged meanwhile.
 * @param purged - number of entries
 * @returns the keys that are left
 */
async function purgeDuring(read: (store: Store) => Promise<unknown>, purged = 3): Promise<string[]> {
  const server = await startJetStream();
  const proxy = await startNatsProxy(server.port);
  const { store: other } = await startNatsStore(server.url);
  const { store } = await startNatsStore(proxy.url);
  const keys = Array.from({ length: 60 }, (_, number) => `w/${String(number).padStart(2, "0")}`);
  for (const key of keys) await other.create(key, "x".repeat(60_000));
  const manager = await (await connectNats(server)).jetstreamManager();
  proxy.hold("server");
  const reading = read(store);
  await until(
    async () => (await manager.streams.info("KV_carillon")).state.consumer_count,
    (count) => count > 0,
  );
  for (const key of keys.slice(-purged)) {
    await manager.streams.purge("KV_carillon", { filter: `$KV.carillon.${key.replace("/", ".")}` });
  }
  proxy.release();
  await reading;
  return keys.slice(0, -purged);
}

test("lists the entries that are left when the last ones are purged before the server has sent them", async () => {
  let listed: readonly string[] = [];
  const left = await purgeDuring(async (store) => {
    listed = (await store.list("w/")).map(({ key }) => key);
  });
  expect(listed.filter((key) => left.includes(key))).toEqual(left);
});

test("reports the entries that are left to a watch when the last ones are purged before the server has sent them", async () => {
  const seen: string[] = [];
  const left = await purgeDuring((store) => store.watch("w/", ({ key }) => seen.push(key)));
  expect(seen.filter((key) => left.includes(key))).toEqual(left);
});

test("lists at most what the server has sent when all entries are purged meanwhile", async () => {
  let listed: readonly unknown[] = ["unread"];
  await purgeDuring(async (store) => {
    listed = await store.list("w/");
  }, 60);
  expect(listed.length).toBeLessThan(60);
});

test("reports that JetStream was disabled, and recovers when it is enabled", async () => {
  const server = await startNats();
  await server.kill();
  const { downs, errors, store, ups } = await startNatsStore(server.url);
  await downs.next();
  await server.start();
  expect(await errors.next()).toMatch(/--jetstream/);
  expect(store.up).toBe(false);
  await expect(store.get("a")).rejects.toMatchObject({ code: "unavailable" });

  await server.kill();
  server.reconfigure(`jetstream { store_dir: "${temporaryFolder()}" }`);
  await server.start();
  await ups.next();
  await store.create("a", "1");
});

test("reports changes of one node to another", async () => {
  const server = await startJetStream();
  const { store: one } = await startNatsStore(server.url);
  const { store: other } = await startNatsStore(server.url);
  const queueOne = await watch(one, "w/");
  const queueOther = await watch(other, "w/");
  await one.create("w/a", "1");
  await other.create("w/b", "1");
  for (const queue of [queueOne, queueOther]) {
    expect([await queue.next(), await queue.next()].map(({ key }) => key)).toEqual(["w/a", "w/b"]);
  }
});

test("removes expired entries and deletion markers from the bucket, also those of stopped nodes", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { store: gone } = await startNatsStore(server.url, { clock });
  const { store } = await startNatsStore(server.url, { clock });
  await gone.create("t/left", "1", { expires: clock.now() + 1_000 });
  await store.create("t/expires", "1", { expires: clock.now() + 1_000 });
  const revision = await store.create("t/prolonged", "1", { expires: clock.now() + 1_000 });
  await store.update("t/prolonged", "2", revision, { expires: clock.now() + 10 * 3_600_000 });
  await store.create("t/deleted", "1");
  await store.create("t/again", "1");
  await store.create("t/stays", "1");
  await store.delete("t/deleted");
  await store.delete("t/again");
  await store.create("t/again", "2");
  await gone.stop();
  expect(await messagesOf(server)).toBe(6);

  while ((await messagesOf(server)) > 3) clock.advance(30_000);
  const left = await store.list("t/");
  expect(left.map(({ key, value }) => [key, value])).toEqual([
    ["t/again", "2"],
    ["t/prolonged", "2"],
    ["t/stays", "1"],
  ]);
  await store.create("t/deleted", "3");
  await store.create("t/left", "3");
});

test("ignores values that other programs put into the bucket", async () => {
  const server = await startJetStream();
  const { errors, store } = await startNatsStore(server.url);
  const queue = await watch(store, "");
  const connection = await connectNats(server);
  const bucket = await connection.jetstream().views.kv("carillon");
  await bucket.put("by-hand", "no first line");
  await bucket.put("by.hand", "expires=never\nvalue");
  await bucket.put("good.one", "\nvalue");
  expect(await queue.next()).toEqual({ key: "good/one", value: "value" });
  await expect(store.get("by-hand")).rejects.toMatchObject({ code: "internal" });
  expect([await errors.next(), await errors.next()]).toEqual([
    "store entry by-hand is damaged: it cannot be read",
    "store entry by/hand is damaged: it cannot be read",
  ]);
  expect((await store.list("")).map(({ key }) => key)).toEqual(["good/one"]);
  await bucket.delete("good.one");
  expect(await queue.next()).toEqual({ key: "good/one", value: undefined });
  await store.create("good/one", "2");
});

test("leaves no consumers in JetStream after lists without entries", async () => {
  const server = await startJetStream();
  const { store } = await startNatsStore(server.url);
  for (let count = 0; count < 20; count += 1) expect(await store.list("none/")).toEqual([]);
  const connection = await connectNats(server);
  const manager = await connection.jetstreamManager();
  // The server removes inactive consumers after some seconds.
  const consumers = async () => (await manager.streams.info("KV_carillon")).state.consumer_count;
  await until(consumers, (count) => count < 5);
  await connection.close();
});
