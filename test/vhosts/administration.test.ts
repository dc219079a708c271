import { hashKey } from "../../src/access/keys/key-secret.js";
import { Keyring } from "../../src/access/keys/keyring.js";
import { CarillonError } from "../../src/errors.js";
import type { VhostRuntime } from "../../src/server/create/create-vhosts.js";
import { MemoryStore } from "../../src/store/memory.js";
import { cleanUp } from "../support/clean-up.js";
import { ManualClock } from "../support/manual-clock.js";
import { createVhostWorld } from "../support/nodes/vhost-world.js";

/** Vhosts of one node. Several nodes share a store. */
function createNode(store: MemoryStore): VhostRuntime {
  return createVhostWorld({}, store);
}

function createStore(): MemoryStore {
  return new MemoryStore({
    clock: new ManualClock(),
    onError: (message) => {
      throw new Error(message);
    },
  });
}

const KEY = { name: "made", actions: ["publish" as const], topics: [] };

test("refuses to create a vhost that exists but is not known to this node yet", async () => {
  const store = createStore();
  const one = createNode(store);
  await one.vhosts.start();
  await one.administration.create("/made", {});
  await one.administration.createKey("/made", KEY);
  await one.administration.openChannel("/made", "foo");
  const entries = await store.list("");

  const late = createNode(store);
  await expect(late.administration.create("/made", {})).rejects.toMatchObject({ code: "already_exists" });
  expect(await store.list("")).toEqual(entries);
});

test("builds each vhost's keys once when a node starts", async () => {
  const store = createStore();
  const one = createNode(store);
  await one.vhosts.start();
  await one.administration.create("/made", {});
  for (let number = 0; number < 50; number += 1) {
    await one.administration.createKey("/made", { ...KEY, name: `made-${number}` });
  }
  const replace = jest.spyOn(Keyring.prototype, "replace");
  cleanUp(() => replace.mockRestore());
  const other = createNode(store);
  await other.vhosts.start();
  expect([...other.vhosts.keysOf("/made")]).toHaveLength(50);
  expect(replace.mock.calls.length).toBeLessThan(10);
});

test("refuses settings with a key that exists at run time, and keeps the keys", async () => {
  const store = createStore();
  const { administration, keyring, vhosts } = createNode(store);
  await vhosts.start();
  await administration.create("/made", {});
  const { secret } = await administration.createKey("/made", KEY);
  const settings = { keys: [{ name: "again", hash: `sha256:${hashKey(secret)}`, actions: ["*"] }] };
  await expect(administration.update("/made", settings)).rejects.toMatchObject({ code: "already_exists" });
  expect(keyring.identifyKey(secret, undefined).name).toBe("made");
});

test("A3: a node that starts after the last key was removed still requires a key", async () => {
  const store = createStore();
  const one = createNode(store);
  await one.vhosts.start();
  const { key } = await one.administration.createKey("/", KEY);
  await one.administration.revokeKey("/", key.id);
  const restarted = createNode(store);
  await restarted.vhosts.start();
  const nobody = { authorization: undefined, certificate: undefined, vhost: undefined };
  expect(() => restarted.keyring.identify(nobody)).toThrow(CarillonError);
  expect(restarted.keyring.open).toBe(false);
});

test("treats a vhost deleted and created again during an outage as another one", async () => {
  const store = createStore();
  const one = createNode(store);
  await one.vhosts.start();
  await one.administration.create("/made", { access: "private" });
  const other = createNode(store);
  await other.vhosts.start();
  const before = other.vhosts.require("/made");
  const [entry] = await store.list("vhosts/");
  if (entry === undefined) throw new Error("no entry");
  // Like an entry that was deleted and created again: only the last change is reported.
  const value = JSON.stringify({ ...(JSON.parse(entry.value) as object), id: "another" });
  await store.update(entry.key, value, entry.revision);
  expect(other.vhosts.require("/made")).not.toBe(before);
});

test("keeps parts when unrelated settings change", async () => {
  const { administration, vhosts } = createNode(createStore());
  await vhosts.start();
  await administration.create("/made", { jwt: { secret: "s".repeat(64) } });
  const { authenticator } = vhosts.require("/made");
  await administration.update("/made", { jwt: { secret: "s".repeat(64) }, limits: { connections: 5 } });
  expect(vhosts.require("/made").authenticator).toBe(authenticator);
  await administration.update("/made", { jwt: { secret: "t".repeat(64) } });
  expect(vhosts.require("/made").authenticator).not.toBe(authenticator);
});

test("stores the last use of a configured key, whatever its name", async () => {
  const store = createStore();
  const { administration } = createNode(store);
  await administration.keyUsed({ vhost: "/", id: "billing.v1", at: 5 });
  expect((await store.list("key-uses/")).map(({ value }) => value)).toEqual(["5"]);
});

test("C6: refuses the 100,001st channel of a vhost, and opens it when another one was closed", async () => {
  const { administration, vhosts } = createNode(createStore());
  await vhosts.start();
  await administration.create("/made", {});
  for (let number = 0; number < 100_000; number += 1) await administration.openChannel("/made", `c${number}`);
  await expect(administration.openChannel("/made", "more")).rejects.toMatchObject({ code: "resource_exhausted" });
  expect(await administration.openChannel("/made", "c0")).toBe(false);
  await administration.closeChannel("/made", "c0");
  expect(await administration.openChannel("/made", "more")).toBe(true);
});
