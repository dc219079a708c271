import type { KV } from "nats";
import type { Store, StoreChange } from "../../../src/store/store.js";
import { ManualClock } from "../../support/manual-clock.js";
import { connectNats } from "../../support/nats/client.js";
import type { NatsServer } from "../../support/nats/server.js";
import { createNatsStore, startJetStream, startNatsStore } from "../../support/nats/store.js";
import { Queue } from "../../support/queue.js";

/** The bucket as any other client of NATS sees it. */
async function openBucket(server: NatsServer): Promise<KV> {
  return (await connectNats(server)).jetstream().views.kv("carillon");
}

async function watch(store: Store): Promise<Queue<StoreChange>> {
  const told = new Queue<StoreChange>();
  await store.watch("", (change) => {
    told.push(change);
  });
  return told;
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

test.each(DAMAGE)("A17: an entry that was overwritten with garbage keeps its last value: %s", async (_, garbage) => {
  const server = await startJetStream();
  const { errors, store } = await startNatsStore(server.url);
  await store.create("a/key", "good");
  const told = await watch(store);
  const bucket = await openBucket(server);

  await bucket.put("a.key", garbage);
  expect(await errors.next()).toBe("store entry a/key is damaged: it cannot be read");
  await store.create("a/end", "end");
  expect([await told.next(), await told.next()]).toEqual([
    { key: "a/key", value: "good" },
    { key: "a/end", value: "end" },
  ]);

  // Nothing takes it for absent, so that nothing is used twice.
  await expect(store.get("a/key")).rejects.toMatchObject({ code: "internal" });
  await expect(store.create("a/key", "new")).rejects.toMatchObject({ code: "already_exists" });
  // It can be mended, and removed.
  await bucket.put("a.key", "\nmended");
  expect(await told.next()).toEqual({ key: "a/key", value: "mended" });
  await bucket.put("a.key", garbage);
  await store.delete("a/key");
  expect(await told.next()).toEqual({ key: "a/key", value: undefined });
  await store.create("a/key", "again");
  expect(await told.next()).toEqual({ key: "a/key", value: "again" });
});

test("A17: a damaged entry is left in the bucket, for as long as nobody mends it", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { store } = await startNatsStore(server.url, { clock });
  const bucket = await openBucket(server);
  await bucket.put("a.damaged", "garbage");
  await store.create("a/deleted", "1");
  await store.delete("a/deleted");
  // The mark of the deletion goes after some minutes, and all else that the sweep would remove with it.
  while ((await bucket.get("a.deleted")) !== null) clock.advance(30_000);
  for (let count = 0; count < 20; count += 1) {
    clock.advance(30_000);
    await store.list("");
  }
  expect((await bucket.get("a.damaged"))?.string()).toBe("garbage");
});

test("A17: a bucket that is deleted is not made anew: nothing is forgotten, and all is well when it is back", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { downs, errors, store, ups } = await startNatsStore(server.url, { clock });
  await ups.next();
  await store.create("a/1", "1");
  const told = await watch(store);
  expect(await told.next()).toEqual({ key: "a/1", value: "1" });

  await deleteBucket(server);
  clock.advance(5_000);
  expect(await downs.next()).toMatch(/^store bucket "carillon": it was deleted: restore it, or restart/);
  expect(store.up).toBe(false);
  await expect(store.create("a/2", "2")).rejects.toMatchObject({ code: "unavailable" });
  expect(await errors.next()).toMatch(/cannot be opened: it was deleted/);
  expect(told.unread).toEqual([]);

  const restored = await openBucket(server);
  await restored.put("a.1", "\n1");
  await restored.put("a.3", "\n3");
  clock.advance(1_000);
  await ups.next();
  const changes = [await told.next(), await told.next()];
  expect(changes).toEqual([
    { key: "a/1", value: "1" },
    { key: "a/3", value: "3" },
  ]);
  await store.create("a/4", "4");
});

test("A17: a write that finds no bucket notices at once", async () => {
  const server = await startJetStream();
  const { downs, store, ups } = await startNatsStore(server.url, { clock: new ManualClock() });
  await ups.next();
  await deleteBucket(server);
  await expect(store.create("a/1", "1")).rejects.toMatchObject({ code: "unavailable" });
  expect(await downs.next()).toMatch(/it was deleted/);
});

test("A17: a bucket that was deleted and made anew is read anew", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { downs, store, ups } = await startNatsStore(server.url, { clock });
  await ups.next();
  await store.create("a/old", "1");
  const told = await watch(store);
  await told.next();
  await deleteBucket(server);
  await (await openBucket(server)).put("a.new", "\n2");
  clock.advance(5_000);
  expect(await downs.next()).toMatch(/it was made anew/);
  await ups.next();
  expect([await told.next(), await told.next()]).toEqual([
    { key: "a/new", value: "2" },
    { key: "a/old", value: undefined },
  ]);
});

test("A17: a stream of another kind under the bucket's name is refused at the start, and not used later", async () => {
  const server = await startJetStream();
  const clock = new ManualClock();
  const { downs, errors, store, ups } = await startNatsStore(server.url, { clock });
  await ups.next();
  await deleteBucket(server);
  const manager = await (await connectNats(server)).jetstreamManager();
  await manager.streams.add({ name: "KV_carillon", subjects: ["other.>"] });
  clock.advance(5_000);
  expect(await downs.next()).toMatch(/it was made anew/);
  expect(await errors.next()).toMatch(/stream KV_carillon is no key-value bucket/);
  expect(store.up).toBe(false);

  const { store: late } = createNatsStore(server.url);
  await expect(late.start()).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/no key-value bucket: it does not have the subject \$KV\.carillon\.>/),
  });
});
