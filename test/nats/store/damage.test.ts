import type { KV } from "nats";
import type { Store, StoreChange } from "../../../src/store/store.js";
import { ManualClock } from "../../support/manual-clock.js";
import { connectNats } from "../../support/nats/client.js";
import type { NatsServer } from "../../support/nats/server.js";
import { createNatsStore, startJetStream, startNatsStore } from "../../support/nats/store.js";
import { Queue } from "../../support/queue.js";

/** Opens the bucket with a plain NATS client. */
async function openBucket(server: NatsServer): Promise<KV> {
  return (await connectNats(server)).jetstream().views.kv("carillon");
}

async function watch(store: Store): Promise<Queue<StoreChange>> {
  const queue = new Queue<StoreChange>();
  await store.watch("", (change) => {
    queue.push(change);
  });
  return queue;
}

async function deleteBucket(server: NatsServer): Promise<void> {
  const manager = await (await connectNats(server)).jetstreamManager();
  await manager.streams.delete("KV_carillon");
}

const DAMAGE: readonly (readonly [string, Uint8Array | string])[] = [
  ["empty", ""],
  ["no text", Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x01])],
  ["cut off", "expires=17"],
  ["of a time that is none", "expires=never\nvalue"],
  ["large", "x".repeat(900_000)],
];

test.each(DAMAGE)("A17: keeps the last value of an entry that was overwritten with garbage: %s", async (_, garbage) => {
  const server = await startJetStream();
  const { errors, store } = await startNatsStore(server.url);
  await store.create("a/key", "good");
  const queue = await watch(store);
  const bucket = await openBucket(server);

  await bucket.put("a.key", garbage);
  expect(await errors.next()).toBe("store entry a/key is damaged: it cannot be read");
  await store.create("a/end", "end");
  expect([await queue.next(), await queue.next()]).toEqual([
    { key: "a/key", value: "good" },
    { key: "a/end", value: "end" },
  ]);

  // No operation treats the entry as missing, so that no token is used twice.
  await expect(store.get("a/key")).rejects.toMatchObject({ code: "internal" });
  await expect(store.create("a/key", "new")).rejects.toMatchObject({ code: "already_exists" });
  // The entry can be repaired and removed.
  await bucket.put("a.key", "\nmended");
  expect(await queue.next()).toEqual({ key: "a/key", value: "mended" });
  await bucket.put("a.key", garbage);
  await store.delete("a/key");
  expect(await queue.next()).toEqual({ key: "a/key", value: undefined });
  await store.create("a/key", "again");
  expect(await queue.next()).toEqual({ key: "a/key", value: "again" });
});

test("A17: leaves a damaged entry in the bucket", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { store } = await startNatsStore(server.url, { clock });
  const bucket = await openBucket(server);
  await bucket.put("a.damaged", "garbage");
  await store.create("a/deleted", "1");
  await store.delete("a/deleted");
  // The sweep removes the deletion marker after some minutes, and would remove other entries with it.
  while ((await bucket.get("a.deleted")) !== null) clock.advance(30_000);
  for (let count = 0; count < 20; count += 1) {
    clock.advance(30_000);
    await store.list("");
  }
  expect((await bucket.get("a.damaged"))?.string()).toBe("garbage");
});

test("A17: does not recreate a deleted bucket, keeps its entries, and recovers when it is restored", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { downs, errors, store, ups } = await startNatsStore(server.url, { clock });
  await ups.next();
  await store.create("a/1", "1");
  const queue = await watch(store);
  expect(await queue.next()).toEqual({ key: "a/1", value: "1" });

  await deleteBucket(server);
  clock.advance(5_000);
  expect(await downs.next()).toMatch(/^store bucket "carillon": it was deleted: restore it, or restart/);
  expect(store.up).toBe(false);
  await expect(store.create("a/2", "2")).rejects.toMatchObject({ code: "unavailable" });
  expect(await errors.next()).toMatch(/cannot be opened: it was deleted/);
  expect(queue.unread).toEqual([]);

  const restored = await openBucket(server);
  await restored.put("a.1", "\n1");
  await restored.put("a.3", "\n3");
  clock.advance(1_000);
  await ups.next();
  const changes = [await queue.next(), await queue.next()];
  expect(changes).toEqual([
    { key: "a/1", value: "1" },
    { key: "a/3", value: "3" },
  ]);
  await store.create("a/4", "4");
});

test("A17: detects a deleted bucket at once with a write", async () => {
  const server = await startJetStream();
  const { downs, store, ups } = await startNatsStore(server.url, { clock: new ManualClock() });
  await ups.next();
  await deleteBucket(server);
  await expect(store.create("a/1", "1")).rejects.toMatchObject({ code: "unavailable" });
  expect(await downs.next()).toMatch(/it was deleted/);
});

test("A17: reads a bucket again that was deleted and recreated", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { downs, store, ups } = await startNatsStore(server.url, { clock });
  await ups.next();
  await store.create("a/old", "1");
  const queue = await watch(store);
  await queue.next();
  await deleteBucket(server);
  await (await openBucket(server)).put("a.new", "\n2");
  clock.advance(5_000);
  expect(await downs.next()).toMatch(/it was recreated/);
  await ups.next();
  expect([await queue.next(), await queue.next()]).toEqual([
    { key: "a/new", value: "2" },
    { key: "a/old", value: undefined },
  ]);
});

test("A17: refuses a stream of another kind with the bucket's name, at start and later", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { downs, errors, store, ups } = await startNatsStore(server.url, { clock });
  await ups.next();
  await deleteBucket(server);
  const manager = await (await connectNats(server)).jetstreamManager();
  await manager.streams.add({ name: "KV_carillon", subjects: ["other.>"] });
  clock.advance(5_000);
  expect(await downs.next()).toMatch(/it was recreated/);
  expect(await errors.next()).toMatch(/stream KV_carillon is not a key-value bucket/);
  expect(store.up).toBe(false);

  const { store: late } = createNatsStore(server.url);
  await expect(late.start()).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/not a key-value bucket: it lacks the subject \$KV\.carillon\.>/),
  });
});
