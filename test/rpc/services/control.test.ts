import type { DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import {
  ConnectionChange,
  ControlService,
  type WatchConnectionsResponseSchema,
} from "../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { hashKey } from "../../../src/access/keys/key-secret.js";
import { callersOf, statusOf, type TestAnswer, type TestCaller } from "../../support/backends/mounts.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import { startTwoNatsNodes } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { bearer, secretOf } from "../support/keys.js";

const INVALID = 3;
const NOT_FOUND = 5;
const DENIED = 7;

const { method } = ControlService;

const KEYS = [
  { name: "all", actions: ["*" as const] },
  { name: "scoped", actions: ["connections", "topics", "channels", "keys", "tokens"] as const, topics: ["orders.*"] },
  { name: "publisher", actions: ["publish" as const] },
];

const VHOSTS = {
  "/": {
    keys: KEYS.map(({ actions, name, ...rest }) => {
      return { name, hash: `sha256:${hashKey(secretOf(name))}`, actions: [...actions], ...rest };
    }),
  },
};

/** Starts two nodes of a cluster. */
async function startTwo(): Promise<readonly [TestNode, TestNode]> {
  const server = await startNats();
  return startTwoNatsNodes(server.url, { vhosts: VHOSTS });
}

function startOne(): Promise<TestNode> {
  return startNode({ vhosts: VHOSTS });
}

type Name = Exclude<keyof typeof method, "watchConnections">;

type Answer<Of extends Name> = TestAnswer<MessageShape<(typeof method)[Of]["output"]>>;

async function ask<Of extends Name>(
  caller: TestCaller,
  name: Of,
  request: object = {},
  key = "all",
): Promise<Answer<Of>> {
  const called: DescMethodUnary = method[name];
  return (await caller.call(called, request, bearer(key))) as Answer<Of>;
}

async function join(node: TestNode, ...topics: string[]): Promise<TestClient> {
  const client = await connect(`${node.ws}/ws`);
  for (const topic of topics) await client.join(topic);
  return client;
}

type Told = MessageShape<typeof WatchConnectionsResponseSchema>;

/** Watch whose initial list has been read. */
class Watch {
  readonly #stream: AsyncGenerator<object>;

  constructor(caller: TestCaller, request: object = {}) {
    this.#stream = caller.open(method.watchConnections, request, bearer("all"));
    cleanUp(() => this.end());
  }

  async next(): Promise<Told> {
    const { done, value } = await this.#stream.next();
    if (done === true) throw new Error("the watch has ended");
    return value as Told;
  }

  /** Ids of the open connections, once the watch has caught up. */
  async caughtUp(): Promise<string[]> {
    const ids: string[] = [];
    for (;;) {
      const { change, connection } = await this.next();
      if (change === ConnectionChange.CAUGHT_UP) return ids;
      if (change !== ConnectionChange.OPEN) throw new Error(`received change ${change} before the open connections`);
      ids.push(connection?.id ?? "");
    }
  }

  async end(): Promise<void> {
    await this.#stream.return(undefined);
  }
}

test("C1: lists and describes the connections of all nodes on any node, by every protocol", async () => {
  const nodes = await startTwo();
  await join(nodes[0], "a", "b");
  await join(nodes[1], "b");
  for (const caller of nodes.flatMap(callersOf)) {
    const { answer } = await ask(caller, "listConnections");
    expect(answer.missingNodes).toEqual([]);
    expect(answer.connections).toHaveLength(2);
    const [first, second] = answer.connections;
    expect([first?.id, second?.id].toSorted()).toEqual([first?.id, second?.id]);
    expect(first?.node).not.toBe(second?.node);
    expect(first).toMatchObject({ user: "", dialect: "native", address: "127.0.0.1" });
    expect(Number(first?.connected?.seconds) * 1_000).toBeGreaterThan(Date.now() - 60_000);

    const inA = await ask(caller, "listConnections", { topic: "a" });
    expect(inA.answer.connections).toHaveLength(1);
    const { id, topicCount } = inA.answer.connections[0] ?? {};
    expect(topicCount).toBe(2);
    const one = await ask(caller, "getConnection", { id });
    expect(one.answer.topics.map(({ topic }) => topic).toSorted()).toEqual(["a", "b"]);
    expect((await ask(caller, "listConnections", { user: "ann" })).answer.connections).toEqual([]);
    expect(await ask(caller, "getConnection", { id: "none" })).toMatchObject({ status: NOT_FOUND });

    const page = await ask(caller, "listConnections", { pageSize: 1 });
    expect(page.answer.connections).toHaveLength(1);
    const rest = await ask(caller, "listConnections", { pageSize: 1, pageToken: page.answer.nextPageToken });
    expect(rest.answer).toMatchObject({ connections: [{ id: second?.id }], nextPageToken: "" });
  }
});

test("A2: lists topics with their sizes on all nodes, and only its own topics for a scoped key", async () => {
  const nodes = await startTwo();
  await join(nodes[0], "orders.1", "news");
  await join(nodes[1], "orders.1", "orders.2");
  for (const caller of nodes.flatMap(callersOf)) {
    const sizes = async (request: object, key?: string): Promise<string[]> => {
      const { answer } = await ask(caller, "listTopics", request, key);
      return answer.topics.map(({ name, sessions }) => `${name} ${sessions}`);
    };
    expect(await sizes({})).toEqual(["news 1", "orders.1 2", "orders.2 1"]);
    expect(await sizes({ prefix: "orders." })).toEqual(["orders.1 2", "orders.2 1"]);
    expect(await sizes({}, "scoped")).toEqual(["orders.1 2", "orders.2 1"]);
  }
});

test("C1: subscribes, unsubscribes and disconnects clients on any node", async () => {
  const nodes = await startTwo();
  for (const [position, caller] of callersOf(nodes[0]).entries()) {
    const client = await join(nodes[1]);
    const { answer } = await ask(caller, "listConnections");
    const connectionId = answer.connections[0]?.id;
    const target = { target: { case: "connectionId", value: connectionId } };
    const subscribed = await ask(caller, "subscribe", { target, topics: ["t"] });
    expect([caller.name, subscribed.answer.connections]).toEqual([caller.name, 1]);
    await client.nextText();
    const listed = await ask(caller, "listConnections", { topic: "t" });
    expect(listed.answer.connections).toHaveLength(1);
    const left = await ask(caller, "unsubscribe", { target, topics: ["t"] });
    expect(left.answer.connections).toBe(1);
    expect((await ask(caller, "listConnections", { topic: "t" })).answer.connections).toEqual([]);

    const close = position % 2 === 0 ? {} : { code: 3_001, reason: "bye" };
    expect((await ask(caller, "disconnect", { target, ...close })).answer.connections).toBe(1);
    expect(await client.closed).toMatchObject(
      position % 2 === 0 ? { code: 4_403, reason: "disconnected by the backend" } : { code: 3_001, reason: "bye" },
    );
    expect((await ask(caller, "disconnect", { target })).answer.connections).toBe(0);
  }
});

test("C1: watches the open connections, then opened and closed ones on all nodes, each once", async () => {
  const nodes = await startTwo();
  const before = await join(nodes[1]);
  for (const caller of callersOf(nodes[0])) {
    const watch = new Watch(caller);
    expect(await watch.caughtUp()).toHaveLength(1);
    for (const node of nodes) {
      const client = await join(node);
      const opened = await watch.next();
      expect([caller.name, opened.change]).toEqual([caller.name, ConnectionChange.OPENED]);
      expect(opened.connection?.dialect).toBe("native");
      client.webSocket.close(3_000, "done");
      const closed = await watch.next();
      expect(closed).toMatchObject({ change: ConnectionChange.CLOSED, code: 3_000 });
      expect(closed.connection?.id).toBe(opened.connection?.id);
    }
    await watch.end();
  }
  before.webSocket.close();
});

test("C1: reports the connections of a stopped node as closed", async () => {
  const nodes = await startTwo();
  await join(nodes[1]);
  const [caller] = callersOf(nodes[0]);
  if (caller === undefined) throw new Error("no caller");
  const watch = new Watch(caller);
  const open = await watch.caughtUp();
  await nodes[1].carillon.stop();
  const closed = await watch.next();
  expect([closed.change, closed.connection?.id]).toEqual([ConnectionChange.CLOSED, open[0]]);
});

test("C1: watches the connections of one user, and ends watches when the node stops", async () => {
  const node = await startOne();
  for (const caller of callersOf(node).slice(0, 1)) {
    const watch = new Watch(caller, { user: "ann" });
    await join(node);
    expect(await watch.caughtUp()).toEqual([]);
    await join(node);
    const next = watch.next().then(
      () => undefined,
      (cause: unknown) => statusOf(cause),
    );
    await node.carillon.stop();
    expect(await next).toMatchObject({ status: 14 });
  }
});

test.each<[Name, object, string]>([
  ["listConnections", { pageSize: 1_001 }, "page_size: expected at most 1000, got 1001"],
  ["listConnections", { pageToken: "!" }, "invalid page_token"],
  ["listConnections", { topic: "@a" }, "topic begins with a reserved character"],
  ["getConnection", {}, "id is required"],
  ["disconnect", {}, "target: expected connection_id or user"],
  ["disconnect", { target: { target: { case: "user", value: "" } } }, "target.user is required"],
  [
    "disconnect",
    { target: { target: { case: "user", value: "a" } }, code: 1_006 },
    "code: expected 1000, or 3000 to 4999, got 1006",
  ],
  [
    "disconnect",
    { target: { target: { case: "user", value: "a" } }, reason: "é".repeat(62) },
    "reason is longer than 123",
  ],
  ["subscribe", { target: { target: { case: "user", value: "a" } } }, "topics: at least one is required"],
  ["subscribe", { target: { target: { case: "user", value: "a" } }, topics: ["a b"] }, "topics[0] contains whitespace"],
  ["unsubscribe", { topics: ["a"] }, "target: expected connection_id or user"],
  ["listTopics", { prefix: "x".repeat(300) }, "prefix is longer than 255 bytes"],
  ["createVhost", { path: "shop" }, "path: expected / or a path such as /shop"],
  ["getVhost", {}, "path is required"],
  ["openChannel", {}, "channel is empty"],
  ["createKey", { name: "a b", actions: ["publish"] }, "name: expected 1 to 64 letters"],
  ["createKey", { name: "a" }, "actions: at least one is required"],
  ["createKey", { name: "a", actions: ["fly"] }, 'actions[0]: unknown action "fly": expected one of'],
  ["createKey", { name: "a", actions: ["publish"], topics: ["a*b"] }, "topics[0]: "],
  ["revokeKey", {}, "id is required"],
])("C1: %s rejects %j, naming the field", async (name, request, text) => {
  const node = await startOne();
  for (const caller of callersOf(node)) {
    const { message, status } = await ask(caller, name, request);
    expect([caller.name, status]).toEqual([caller.name, INVALID]);
    expect(message).toContain(text);
  }
});

test("C2: refuses an unknown broker", async () => {
  const node = await startOne();
  for (const caller of callersOf(node)) {
    const target = { target: { case: "user", value: "a" } };
    const refused = await ask(caller, "subscribe", { target, topics: ["a"], broker: "none" });
    expect(refused.status).toBe(NOT_FOUND);
  }
});

test("E22: refuses a key without the action, for every method", async () => {
  const node = await startOne();
  for (const caller of callersOf(node)) {
    for (const name of Object.keys(method)) {
      if (name === "watchConnections") continue;
      const refused = await ask(caller, name as Name, {}, "publisher");
      expect([name, refused.status]).toEqual([name, DENIED]);
      expect(refused.message).toContain('key "publisher" lacks the action');
    }
    const watch = caller.open(method.watchConnections, {}, bearer("publisher"));
    const failure = await watch.next().catch(statusOf);
    expect([caller.name, failure]).toMatchObject([caller.name, { status: DENIED }]);
  }
});

test("C4: refuses a scoped key that would grant more than it has, in keys, tokens and channels", async () => {
  const node = await startOne();
  for (const caller of callersOf(node)) {
    const key = (request: object): Promise<Answer<"createKey">> =>
      ask(caller, "createKey", { name: "k", ...request }, "scoped");
    for (const request of [
      { actions: ["publish"], topics: ["orders.*"] },
      { actions: ["*"], topics: ["orders.*"] },
      { actions: ["topics"] },
      { actions: ["topics"], topics: ["*"] },
      { actions: ["topics"], topics: ["orders.>"] },
      { actions: ["topics"], topics: ["news"] },
      { actions: ["topics"], topics: ["orders.*"], vhost: "/shop" },
    ]) {
      expect([request, (await key(request)).status]).toEqual([request, DENIED]);
    }
    const { createAccessToken, createChannelToken } = TokenService.method;
    const permissions = { join: ["*"] };
    expect((await caller.call(createAccessToken, { permissions }, bearer("scoped"))).status).toBe(DENIED);
    expect((await caller.call(createChannelToken, { channel: "news" }, bearer("scoped"))).status).toBe(DENIED);
    expect((await caller.call(createChannelToken, { channel: "orders.1" }, bearer("scoped"))).status).toBe(0);
    expect((await ask(caller, "openChannel", { channel: "news" }, "scoped")).status).toBe(DENIED);
    expect((await ask(caller, "createVhost", { path: "/x" }, "scoped")).status).toBe(DENIED);
  }
});

test("C1: creates keys, lists them without secrets and revokes them, which ends their streams on other nodes", async () => {
  const node = await startOne();
  for (const caller of callersOf(node)) {
    const made = await ask(caller, "createKey", { name: "made", actions: ["connections"], topics: ["a"] });
    const { key, secret } = made.answer;
    const headers = { authorization: `Bearer ${secret}` };
    expect(key).toMatchObject({ name: "made", actions: ["connections"], topics: ["a"], configured: false });
    expect((await caller.call(method.listConnections, {}, headers)).status).toBe(0);
    const listed = (await ask(caller, "listKeys")).answer.keys;
    expect(listed.map(({ name }) => name).toSorted()).toEqual(["all", "made", "publisher", "scoped"]);
    expect(
      JSON.stringify(listed, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
    ).not.toContain(secret);

    const watch = caller.open(method.watchConnections, {}, headers);
    await watch.next();
    const ended = watch.next().catch(statusOf);
    expect((await ask(caller, "revokeKey", { id: key?.id })).status).toBe(0);
    expect([caller.name, await ended]).toMatchObject([caller.name, { status: 16 }]);
    expect((await caller.call(method.listConnections, {}, headers)).status).toBe(16);
    expect((await ask(caller, "revokeKey", { id: key?.id })).status).toBe(NOT_FOUND);
  }
});

test("C1: creates, changes, lists and deletes vhosts and channels", async () => {
  const node = await startOne();
  for (const caller of callersOf(node)) {
    const made = await ask(caller, "createVhost", { path: "/shop", settings: { access: "private" } });
    expect([caller.name, made.status, made.message]).toEqual([caller.name, 0, ""]);
    expect(made.answer.vhost).toMatchObject({ path: "/shop", settings: { access: "private" }, configured: false });
    expect((await ask(caller, "createVhost", { path: "/shop" })).status).toBe(6);
    expect((await ask(caller, "updateVhost", { path: "/shop", settings: { access: "closed" } })).status).toBe(INVALID);
    expect((await ask(caller, "updateVhost", { path: "/shop", settings: { presence: true } })).status).toBe(0);
    expect((await ask(caller, "getVhost", { path: "/shop" })).answer.vhost?.settings).toEqual({ presence: true });
    const paths = (await ask(caller, "listVhosts")).answer.vhosts.map(({ path }) => path);
    expect(paths).toEqual(["/", "/shop"]);

    const { answer } = await ask(caller, "createKey", { name: "own", actions: ["*"], vhost: "/shop" });
    const headers = { authorization: `Bearer ${answer.secret}` };
    expect((await caller.call(method.openChannel, { channel: "c" }, headers)).answer).toMatchObject({ opened: true });
    expect((await caller.call(method.openChannel, { channel: "c" }, headers)).answer).toMatchObject({ opened: false });
    expect((await caller.call(method.listChannels, {}, headers)).answer.channels).toEqual(["c"]);
    expect((await ask(caller, "listChannels")).answer.channels).toEqual([]);
    expect((await caller.call(method.closeChannel, { channel: "c" }, headers)).status).toBe(0);
    // Only keys of the default vhost may manage vhosts.
    expect((await caller.call(method.listVhosts, {}, headers)).status).toBe(DENIED);
    expect((await ask(caller, "deleteVhost", { path: "/shop" })).status).toBe(0);
    expect((await caller.call(method.listChannels, {}, headers)).status).toBe(16);
    expect((await ask(caller, "getVhost", { path: "/shop" })).status).toBe(NOT_FOUND);
  }
});

test("A8: issues tokens for the caller's vhost, within the allowed lifetimes", async () => {
  const node = await startOne();
  const { createAccessToken, createChannelToken, createConnectionToken } = TokenService.method;
  for (const caller of callersOf(node)) {
    const lifetime = { seconds: 60n };
    const connection = await caller.call(createConnectionToken, { user: "ann", lifetime }, bearer("all"));
    expect(connection.answer.token.split(".")).toHaveLength(3);
    expect(Math.abs(Number(connection.answer.expires?.seconds) - Date.now() / 1_000 - 60)).toBeLessThan(10);
    const channel = await caller.call(createChannelToken, { channel: "c" }, bearer("all"));
    expect(channel.status).toBe(0);
    const access = await caller.call(
      createAccessToken,
      { info: { a: 1 }, permissions: { join: ["x"] } },
      bearer("all"),
    );
    expect(access.answer.token).toMatch(/^[0-9a-f]{128}$/);
    for (const request of [
      { lifetime: { seconds: 301n } },
      { lifetime: { seconds: -1n } },
      { lifetime: { nanos: 5 } },
      { permissions: { join: ["a*b"] } },
      // JSON cannot represent this time.
      ...(caller.name === "connect-json" ? [] : [{ sessionExpires: { seconds: 1n << 60n } }]),
    ]) {
      const { message, status } = await caller.call(createConnectionToken, request, bearer("all"));
      expect([caller.name, message, status]).toEqual([caller.name, expect.any(String), INVALID]);
    }
    expect((await caller.call(createChannelToken, { channel: "@x" }, bearer("all"))).status).toBe(INVALID);
    expect((await caller.call(createAccessToken, {}, bearer("publisher"))).status).toBe(DENIED);
  }
});
