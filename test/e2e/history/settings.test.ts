import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TestBackend } from "../../support/backends/backend.js";
import { connect, type NativeFrame, type TestClient } from "../../support/clients/native.js";
import { connectNats } from "../../support/nats/client.js";
import { becomes, startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import { startJetStream } from "../../support/nats/store.js";
import { recordLog } from "../../support/nodes/log-records.js";
import { metric, untilMetric, untilNone } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const { createVhost, deleteVhost, updateVhost } = ControlService.method;
const ROOMS = [{ match: "room", history: "chat" }];

/** A node, and a client and a backend of its vhost /shop, which was created at run time with these settings. */
async function startShop(settings: object) {
  const node = await startNode();
  const operator = new TestBackend(node);
  await operator.call(createVhost, { path: "/shop", settings: { ...settings } });
  return { node, operator, shop: new TestBackend(node, { "carillon-vhost": "/shop" }), client: await open(node) };
}

/** The client's messages of topics with history have a position. */
function open(node: TestNode): Promise<TestClient> {
  return connect(`${node.ws}/ws/shop?meta=1`);
}

/** The stored payloads of `room`, or the code of the refusal. */
async function stored(client: TestClient): Promise<unknown> {
  const { error, payload } = await client.ask({ command: "history", topics: ["room"], id: 1 });
  if (error !== undefined) return error.code;
  return (payload as { readonly messages: readonly NativeFrame[] }).messages.map((message) => message.payload);
}

async function heard(client: TestClient): Promise<{ readonly payload: unknown; readonly isStored: boolean }> {
  const frame = await client.next();
  return { payload: frame.payload, isStored: "position" in frame };
}

test("begins, changes and ends the history of a joined topic when the settings change", async () => {
  const { client, operator, shop } = await startShop({});
  const change = (settings: object) => operator.call(updateVhost, { path: "/shop", settings: { ...settings } });
  await client.ask({ command: "join", topics: ["room"] });
  await shop.say("room", "before");
  expect(await heard(client)).toEqual({ payload: "before", isStored: false });
  expect(await stored(client)).toBe("failed_precondition");

  await change({ history: { chat: {} }, topics: ROOMS });
  for (const text of ["one", "two"]) {
    await shop.say("room", text);
    expect(await heard(client)).toEqual({ payload: text, isStored: true });
  }
  expect(await stored(client)).toEqual(["one", "two"]);

  // Another size of the same class keeps its messages.
  await change({ history: { chat: { messages: 1 } }, topics: ROOMS });
  expect(await stored(client)).toEqual(["two"]);
  // Another class has its own messages.
  await change({ history: { chat: {}, more: {} }, topics: [{ match: "room", history: "more" }] });
  expect(await stored(client)).toEqual([]);
  await shop.say("room", "three");
  expect(await heard(client)).toEqual({ payload: "three", isStored: true });
  expect(await stored(client)).toEqual(["three"]);

  await change({});
  await shop.say("room", "after");
  expect(await heard(client)).toEqual({ payload: "after", isStored: false });
  expect(await stored(client)).toBe("failed_precondition");
});

test("forgets the messages of a class that was removed, and of a vhost that was deleted", async () => {
  const settings = { history: { chat: {} }, topics: ROOMS };
  const { client, node, operator, shop } = await startShop(settings);
  await shop.say("room", "one");
  expect(await stored(client)).toEqual(["one"]);
  await operator.call(updateVhost, { path: "/shop", settings: {} });
  expect(await metric(node, 'carillon_history_memory_messages{broker="memory"}')).toBe(0);
  await operator.call(updateVhost, { path: "/shop", settings });
  expect(await stored(client)).toEqual([]);

  await shop.say("room", "two");
  await operator.call(deleteVhost, { path: "/shop" });
  expect(await metric(node, 'carillon_history_memory_messages{broker="memory"}')).toBe(0);
  await operator.call(createVhost, { path: "/shop", settings });
  expect(await stored(await open(node))).toEqual([]);
});

test("N11: a deleted vhost leaves no messages on NATS, nor does a class that was removed from it", async () => {
  const nats = await startJetStream();
  const node = await startNatsNode(nats.url);
  await becomes(node, 200);
  const operator = new TestBackend(node);
  const shop = new TestBackend(node, { "carillon-vhost": "/shop" });
  const settings = { history: { chat: {} }, topics: ROOMS };
  const manager = await (await connectNats(nats)).jetstreamManager();
  // Streams of the operator and of other vhosts stay.
  await manager.streams.add({ name: "MINE", subjects: ["carillon-history.mine.shop.>"] });
  await operator.call(createVhost, { path: "/shop2", settings });
  await new TestBackend(node, { "carillon-vhost": "/shop2" }).say("room", "kept");
  const kept = (await manager.streams.names().next()).toSorted();
  expect(kept).toEqual(["MINE", "carillon-history_chat_shop2"]);

  for (const text of ["one", "two"]) {
    await operator.call(createVhost, {
      path: "/shop",
      settings: { history: { more: {} }, default_history: "more" },
    });
    await shop.say("room", "of another class");
    await operator.call(updateVhost, { path: "/shop", settings });
    const client = await open(node);
    expect(await stored(client)).toEqual([]);
    await shop.say("room", text);
    expect(await stored(client)).toEqual([text]);
    await operator.call(deleteVhost, { path: "/shop" });
  }
  while ((await manager.streams.names().next()).length > kept.length);
  expect((await manager.streams.names().next()).toSorted()).toEqual(kept);
});

test("H7: opens no connection for reading, and reports no fault, where no vhost has classes", async () => {
  const nats = await startNats('http: "127.0.0.1:-1"');
  const { log, of } = recordLog();
  const node = await startNatsNode(nats.url, {}, { vhosts: { "/shop": { topics: [{ match: "room" }] } } }, log);
  await becomes(node, 200);
  const { connections } = (await (await fetch(`${nats.monitorUrl}/connz`)).json()) as {
    readonly connections: readonly { readonly name?: string }[];
  };
  // One connection carries messages, the other one those between nodes.
  expect(connections.map(({ name }) => name)).toEqual(["carillon", "carillon"]);
  expect(of("error")).toEqual([]);
  expect(await metric(node, 'carillon_history_faults{broker="nats"}')).toBe(0);
});

test("reports a class that the broker cannot keep once, also after a reconnect, until it is gone", async () => {
  const nats = await startNats();
  const { log, of } = recordLog();
  const node = await startNatsNode(nats.url, {}, {}, log);
  await becomes(node, 200);
  const operator = new TestBackend(node);
  // This server has no JetStream.
  const settings = { history: { chat: { replicas: 3 } }, topics: ROOMS };
  await operator.call(createVhost, { path: "/shop", settings });
  await untilMetric(node, 'carillon_history_faults{broker="nats"}', 1);
  const fault = { broker: "nats", vhost: "/shop", msg: "the history of topics cannot be stored as configured" };
  expect(of("error")).toMatchObject([fault]);
  expect(of("error")[0]?.["reason"]).toMatch(/chat/);
  // A fault of one vhost's history does not stop the node.
  await becomes(node, 200);

  await nats.kill();
  await becomes(node, 503);
  await nats.start();
  await becomes(node, 200);
  await operator.call(updateVhost, { path: "/shop", settings: {} });
  await untilNone(node, 'carillon_history_faults{broker="nats"}');
  expect(of("error").filter(({ msg }) => msg === fault.msg)).toHaveLength(1);
  expect(of("info").filter(({ vhost }) => vhost === "/shop")).toMatchObject([
    { msg: "the history of topics can be stored" },
  ]);
});

test("L20: bounds the messages that a join requests", async () => {
  const node = await startNode({
    limits: { replay_messages: 2 },
    vhosts: { "/": { history: { chat: {} }, default_history: "chat" } },
  });
  const backend = new TestBackend(node);
  const first = await connect(`${node.ws}/ws`);
  const joined = await first.ask({ command: "join", topics: ["a"], recover: {}, id: 1 });
  const { positions } = joined as { readonly positions?: Readonly<Record<string, string>> };
  const recover = async () => {
    const client = await connect(`${node.ws}/ws`);
    return client.ask({ command: "join", topics: ["a"], recover: positions, id: 1 });
  };
  for (const text of ["one", "two"]) await backend.say("a", text);
  expect(await recover()).toMatchObject({ recovered: { a: true } });
  await backend.say("a", "three");
  expect(await recover()).toMatchObject({ recovered: { a: false }, reasons: { a: "too_many" } });
  const rewound = await connect(`${node.ws}/ws`);
  await rewound.ask({ command: "join", topics: ["a"], history: 10, id: 1 });
  expect([await heard(rewound), await heard(rewound)].map(({ payload }) => payload)).toEqual(["two", "three"]);
});
