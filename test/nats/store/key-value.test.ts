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
  const told = new Queue<StoreChange>();
  await store.watch(prefix, (change) => {
    told.push(change);
  });
  return told;
}

/** How many messages the bucket's stream has. */
async function messagesOf(server: NatsServer): Promise<number> {
  const connection = await connectNats(server);
  const manager = await connection.jetstreamManager();
  const { state } = await manager.streams.info("KV_carillon");
  await connection.close();
  return state.messages;
}

test("nodes share it", async () => {
  expect(createNatsStore("nats://127.0.0.1:1").store.shared).toBe(true);
});

test("without JetStream start says what to do", async () => {
  const server = await startNats();
  const { store } = createNatsStore(server.url);
  const error = await store.start().catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "failed_precondition", message: expect.stringMatching(/--jetstream/) });
  expect(store.up).toBe(false);
});

test("an account without JetStream is the same", async () => {
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

test("a wrong password ends the start", async () => {
  const server = await startNats("authorization { user: a, password: b }");
  const { store } = createNatsStore(server.url);
  await expect(store.start()).rejects.toMatchObject({ code: "failed_precondition" });
});

test("a server that cannot be reached yet is waited for, and everything is unavailable until then", async () => {
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

test("an outage: unavailable, and by itself back with all entries", async () => {
  const server = await startJetStream();
  const { downs, store, ups } = await startNatsStore(server.url);
  await ups.next();
  await store.create("w/a", "1");
  const revision = await store.create("w/b", "1");
  const told = await watch(store, "w/");

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
  expect([await told.next(), await told.next(), await told.next()].map(({ value }) => value)).toEqual(["1", "1", "2"]);
  expect(told.unread).toEqual([]);
});

test("after an outage a watch tells what has changed meanwhile, and that alone", async () => {
  const server = await startJetStream();
  const gate = await startTcpProxy(server.port);
  const { downs, store, ups } = await startNatsStore(gate.natsUrl);
  const { store: other } = await startNatsStore(server.url);
  await ups.next();
  await other.create("w/same", "1");
  const revision = await other.create("w/changed", "1");
  await other.create("w/deleted", "1");
  await other.create("w/deleted-for-good", "1");
  const told = await watch(store, "w/");
  for (let count = 0; count < 4; count += 1) await told.next();

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
  while (changes.at(-1)?.key !== "w/end") changes.push(await told.next());
  changes.push(...told.unread);
  expect(changes.toSorted((a, b) => (a.key < b.key ? -1 : 1))).toEqual([
    { key: "w/changed", value: "2" },
    { key: "w/deleted", value: undefined },
    { key: "w/deleted-for-good", value: undefined },
    { key: "w/end", value: "1" },
    { key: "w/new", value: "1" },
  ]);
});

test("what waits for an answer when the connection is lost is unavailable at once", async () => {
  const server = await startJetStream();
  const proxy = await startNatsProxy(server.port);
  const { store } = await startNatsStore(proxy.url);
  proxy.hold("server");
  const began = Date.now();
  const asked = Promise.allSettled([store.get("a"), store.list(""), store.create("a", "1"), store.watch("", () => {})]);
  proxy.cut();
  const unavailable = { reason: { code: "unavailable" } };
  expect(await asked).toMatchObject([unavailable, unavailable, unavailable, unavailable]);
  expect(Date.now() - began).toBeLessThan(2_500);
});

test("a server that does not answer is unavailable after the time for it", async () => {
  const server = await startJetStream();
  const proxy = await startNatsProxy(server.port);
  const nats = natsOptions({ servers: [proxy.url], confirmTimeout: 1_000 });
  const { store } = await startNatsStore(proxy.url, { nats });
  proxy.hold("server");
  const asked = await Promise.allSettled([store.get("a"), store.list("")]);
  expect(asked).toMatchObject([{ reason: { code: "unavailable" } }, { reason: { code: "unavailable" } }]);
  proxy.release();
  await store.create("b", "1");
});

test("JetStream that goes and comes while the node runs is told, and waited for", async () => {
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

test("two nodes see each other's changes", async () => {
  const server = await startJetStream();
  const { store: one } = await startNatsStore(server.url);
  const { store: other } = await startNatsStore(server.url);
  const toldOne = await watch(one, "w/");
  const toldOther = await watch(other, "w/");
  await one.create("w/a", "1");
  await other.create("w/b", "1");
  for (const told of [toldOne, toldOther]) {
    expect([await told.next(), await told.next()].map(({ key }) => key)).toEqual(["w/a", "w/b"]);
  }
});

test("expired entries and marks of deletions leave the bucket after a while, also those of a node that is gone", async () => {
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

test("what others put into the bucket by hand is no entry", async () => {
  const server = await startJetStream();
  const { errors, store } = await startNatsStore(server.url);
  const told = await watch(store, "");
  const connection = await connectNats(server);
  const bucket = await connection.jetstream().views.kv("carillon");
  await bucket.put("by-hand", "no first line");
  await bucket.put("by.hand", "expires=never\nvalue");
  await bucket.put("good.one", "\nvalue");
  expect(await told.next()).toEqual({ key: "good/one", value: "value" });
  await expect(store.get("by-hand")).rejects.toMatchObject({ code: "internal" });
  expect([await errors.next(), await errors.next()]).toEqual([
    "store entry by-hand is damaged: it cannot be read",
    "store entry by/hand is damaged: it cannot be read",
  ]);
  expect((await store.list("")).map(({ key }) => key)).toEqual(["good/one"]);
  await bucket.delete("good.one");
  expect(await told.next()).toEqual({ key: "good/one", value: undefined });
  await store.create("good/one", "2");
});

test("lists of nothing leave nothing behind in JetStream", async () => {
  const server = await startJetStream();
  const { store } = await startNatsStore(server.url);
  for (let count = 0; count < 20; count += 1) expect(await store.list("none/")).toEqual([]);
  const connection = await connectNats(server);
  const manager = await connection.jetstreamManager();
  // The server gives up consumers that nobody hears some seconds later.
  const consumers = async () => (await manager.streams.info("KV_carillon")).state.consumer_count;
  await until(consumers, (count) => count < 5);
  await connection.close();
});
