import { parse } from "yaml";
import type { VhostSettings } from "../../src/config/schema.js";
import { type ConfigInput, configReader, parseConfig } from "../../src/server/config.js";

/** The vhost with these settings, or the problems. */
function read(vhost: object, node: ConfigInput = {}): Partial<VhostSettings> | string {
  try {
    const vhosts: Readonly<Record<string, VhostSettings>> = parseConfig({ ...node, vhosts: { "/shop": vhost } }).vhosts;
    return vhosts["/shop"] ?? {};
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

test("has no history classes by default", () => {
  expect(read({})).toMatchObject({ history: {} });
});

test("keeps 100 messages of a topic for five minutes in a class without settings", () => {
  expect(read({ history: { chat: {} } })).toMatchObject({
    history: {
      chat: { messages: 100, age: 300_000, bytes: 64 * 1_024 ** 2, storage: "file", replicas: 1 },
    },
  });
});

test("accepts the commented example of the defaults", () => {
  const example = configReader
    .writeDefaults()
    .split("\n")
    .map((line) => line.replace(/^ {4}# {3}/, ""));
  const begin = example.indexOf("history:");
  const { history } = parse(example.slice(begin, begin + 9).join("\n")) as { history: Record<string, object> };
  expect(read({ history: { chat: { ...history["chat"], topic_bytes: "1MiB" } } })).toMatchObject({
    history: { chat: { messages: 100, deduplication: 120_000, topic_bytes: 1_024 ** 2 } },
  });
});

test.each<[string, object, RegExp]>([
  [
    "a misspelt class",
    { history: { chat: {} }, topics: [{ match: "room.*", history: "chatt" }] },
    /^vhosts\.\/shop\.topics\.0\.history: unknown history class "chatt"; did you mean chat\?$/,
  ],
  [
    "another name than the known ones",
    { history: { chat: {}, price: {} }, default_history: "everything" },
    /^vhosts\.\/shop\.default_history: unknown history class "everything"; known: chat, price$/,
  ],
  [
    "a class where there is none",
    { topics: [{ match: "room.*", history: "chat" }] },
    /^vhosts\.\/shop\.topics\.0\.history: unknown history class "chat"; history defines none$/,
  ],
  ["a class named off", { history: { off: {} } }, /^vhosts\.\/shop\.history\.off: off is not a name/],
  [
    "a class name with a dot",
    { history: { "a.b": {} } },
    /^vhosts\.\/shop\.history\.a\.b: expected a name of up to 32/,
  ],
  [
    "an unknown setting of a class",
    { history: { chat: { message: 5 } } },
    /^vhosts\.\/shop\.history\.chat\.message: unknown key; did you mean messages\?$/,
  ],
  [
    "a longer deduplication than age",
    { history: { chat: { age: "1m", deduplication: "2m" } } },
    /^vhosts\.\/shop\.history\.chat: deduplication: expected at most age$/,
  ],
  [
    "a larger topic than the class",
    { history: { chat: { bytes: "1MiB", topic_bytes: "2MiB" } } },
    /^vhosts\.\/shop\.history\.chat: topic_bytes: expected at most bytes$/,
  ],
  ["six replicas", { history: { chat: { replicas: 6 } } }, /^vhosts\.\/shop\.history\.chat\.replicas: /],
  ["no messages", { history: { chat: { messages: 0 } } }, /^vhosts\.\/shop\.history\.chat\.messages: /],
  ["an age without an end", { history: { chat: { age: "0" } } }, /^vhosts\.\/shop\.history\.chat\.age: .*from 1s/],
  [
    "classes beyond the vhost's limit",
    { history: { chat: { bytes: "2MiB" }, price: { bytes: "1MiB" } }, limits: { history: "2MiB" } },
    /^vhosts\.\/shop\.history: the classes keep up to 3145728 bytes, limits\.history is 2097152$/,
  ],
  [
    "33 classes",
    { history: Object.fromEntries(Array.from({ length: 33 }, (_, number) => [`c${number}`, { bytes: "1MiB" }])) },
    /^vhosts\.\/shop\.history: expected at most 32 classes$/,
  ],
])("L21: refuses %s", (_, vhost, expected) => {
  expect(read(vhost)).toMatch(expected);
});

test("L21: refuses classes of all vhosts that exceed the node's limit for the memory broker", () => {
  const vhosts = { "/a": { history: { chat: {} } }, "/b": { history: { chat: {} } } };
  const limits = { history: "127MiB" };
  expect(() => parseConfig({ vhosts, limits })).toThrow(
    "vhosts: the memory broker would keep up to 134217728 bytes for all vhosts, the node's limits.history is 133169152",
  );
  expect(parseConfig({ vhosts, limits: { history: "128MiB" } }).limits.history).toBe(128 * 1_024 ** 2);
});

test("counts only the vhosts that use the memory broker towards the node's limit", () => {
  const brokers: ConfigInput["brokers"] = {
    near: { driver: "memory" },
    far: { driver: "nats", servers: ["nats://127.0.0.1:4222"] },
  };
  const node: ConfigInput = { brokers, limits: { history: "1MiB" } };
  expect(read({ history: { chat: {} }, brokers: ["far"] }, node)).toMatchObject({ brokers: ["far"] });
  expect(read({ history: { chat: {} } }, node)).toMatch(/^vhosts: the memory broker would keep/);
});
