import type { HistoryClass } from "../../src/core/history.js";
import { MemoryStore } from "../../src/store/memory.js";
import { systemClock } from "../../src/util/system-clock.js";
import type { Vhost } from "../../src/vhosts/vhost.js";
import { createVhostWorld } from "../support/nodes/vhost-world.js";

function createWorld(settings: object = {}, limits: object = {}) {
  const store = new MemoryStore({
    clock: systemClock,
    onError: (message) => {
      throw new Error(message);
    },
  });
  return createVhostWorld({ vhosts: { "/shop": settings }, limits }, store);
}

function vhostWith(settings: object): Vhost {
  return createWorld(settings).vhosts.require("/shop");
}

function classOf(vhost: Vhost, topic: string): string | undefined {
  const { history } = vhost.rulesFor(topic);
  // Publishers and subscribers must agree.
  expect(vhost.history?.find(topic)).toBe(history);
  return history?.name;
}

test("H7: finds nothing to look up in a vhost whose topics have no history", () => {
  expect(vhostWith({}).history).toBeUndefined();
  expect(vhostWith({ history: { chat: {} } }).history).toBeUndefined();
  expect(vhostWith({ history: { chat: {} }, topics: [{ match: "a", history: "off" }] }).history).toBeUndefined();
});

test("gives topics the class that their rule names, and no history to all others", () => {
  const vhost = vhostWith({ history: { chat: {} }, topics: [{ match: "room.*", history: "chat" }, { match: "news" }] });
  expect(["room.1", "news", "other"].map((topic) => classOf(vhost, topic))).toEqual(["chat", undefined, undefined]);
});

test("gives topics the vhost's default class unless their rule names another one or off", () => {
  const topics = [{ match: "price.*", history: "price" }, { match: "noise", history: "off" }, { match: "news" }];
  const vhost = vhostWith({ history: { chat: {}, price: {} }, default_history: "chat", topics });
  const found = ["price.a", "noise", "news", "other"].map((topic) => classOf(vhost, topic));
  expect(found).toEqual(["price", undefined, "chat", "chat"]);
});

test("never gives user and connection topics a history", () => {
  const topics = [{ match: "re:.*", history: "chat" }];
  const vhost = vhostWith({ history: { chat: {} }, default_history: "chat", topics });
  expect(["$user.1", "$connection.a.1", "other"].map((topic) => classOf(vhost, topic))).toEqual([
    undefined,
    undefined,
    "chat",
  ]);
});

test("keeps the history of a channel whose kind makes it private", async () => {
  const { administration, vhosts } = createWorld({ history: { chat: {} }, default_history: "chat" });
  await vhosts.start();
  await administration.openChannel("/shop", "private-a");
  const vhost = vhosts.require("/shop");
  expect(vhost.rulesFor("private-a").access).toBe("private");
  expect(classOf(vhost, "private-a")).toBe("chat");
});

test("describes a class in milliseconds and bytes", () => {
  const history = { brief: { age: "1m" }, long: { age: "1h", topic_bytes: "1KiB", deduplication: "10m" } };
  expect(vhostWith({ history }).historyClasses).toEqual<HistoryClass[]>([
    {
      name: "brief",
      messages: 100,
      age: 60_000,
      bytes: 64 * 1_024 ** 2,
      topicBytes: undefined,
      storage: "file",
      replicas: 1,
      deduplication: 60_000,
    },
    {
      name: "long",
      messages: 100,
      age: 3_600_000,
      bytes: 64 * 1_024 ** 2,
      topicBytes: 1_024,
      storage: "file",
      replicas: 1,
      deduplication: 600_000,
    },
  ]);
});

test("keeps the object of a class that new settings do not change", async () => {
  const { administration, vhosts } = createWorld();
  await vhosts.start();
  await administration.create("/made", { history: { chat: {}, price: { messages: 1 } } });
  const vhost = vhosts.require("/made");
  const [chat, price] = vhost.historyClasses;
  await administration.update("/made", { presence: true, history: { chat: {}, price: { messages: 2 } } });
  expect(vhost.historyClasses[0]).toBe(chat);
  expect(vhost.historyClasses[1]).not.toBe(price);
  expect(vhost.historyClasses[1]).toMatchObject({ name: "price", messages: 2 });
});

test("L21: refuses to create or update vhosts beyond the node's limit, and changes nothing", async () => {
  const { administration, vhosts } = createWorld({ history: { chat: {} } }, { history: "192MiB" });
  await vhosts.start();
  const small = { history: { chat: {} } };
  const large = { history: { chat: { bytes: "129MiB" } } };
  const refusal = {
    code: "resource_exhausted",
    message: expect.stringMatching(/^history: the memory broker would keep/),
  };
  await expect(administration.create("/made", large)).rejects.toMatchObject(refusal);
  await administration.create("/made", small);
  await expect(administration.update("/made", large)).rejects.toMatchObject(refusal);
  expect(vhosts.require("/made").historyClasses[0]?.bytes).toBe(64 * 1_024 ** 2);
  // The vhost's own classes do not count twice.
  await administration.update("/made", { history: { chat: { bytes: "128MiB" } } });
  await expect(administration.create("/more", small)).rejects.toMatchObject(refusal);
});

test("refuses run-time settings with an unknown class", async () => {
  const { administration, vhosts } = createWorld();
  await vhosts.start();
  const settings = { history: { chat: {} }, topics: [{ match: "room.*", history: "chta" }] };
  await expect(administration.create("/made", settings)).rejects.toMatchObject({
    code: "invalid_argument",
    message: 'vhosts./made.topics.0.history: unknown history class "chta"; did you mean chat?',
  });
});
