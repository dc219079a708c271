import { pino } from "pino";
import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { BroadcastService } from "../../gen/websockets/v1/websockets_pb.js";
import { createCarillon } from "../../src/index.js";
import { bearer, configuredKey, STATUS, TestBackend, until } from "../support/backends/backend.js";
import { publish } from "../support/backends/publish.js";
import { cleanUp } from "../support/clean-up.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { connectNats } from "../support/nats/client.js";
import { userSubjectsOf } from "../support/nats/monitor.js";
import { becomes, readiness, startNatsNode } from "../support/nats/node.js";
import { startNatsProxy } from "../support/nats/proxy.js";
import { startNats } from "../support/nats/server.js";
import { startNode } from "../support/nodes/node.js";
import { enter, jwt, present, startWorld, token, type VhostInput, WORLDS } from "./support.js";

const vhosts = { "/": { jwt, presence: true } } satisfies Record<string, VhostInput>;
const SENTINEL = { topic: "sentinel", payload: "end" };

/** Returns the connection's id. Joins the topic, which must have no other member. */
async function idOf(client: TestClient, topic: string): Promise<string> {
  await client.join(topic);
  const [member] = (await present(client, topic)).members;
  if (member === undefined) throw new Error("not present");
  return member.connection;
}

describe.each(WORLDS)("W22: topics that cannot be joined: %s", (kind) => {
  test("delivers $user.ID to every connection of the user, in any encoding, and to no other client", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const eves = [await enter(one, { sub: "eve" }), await enter(other, { sub: "eve" })];
    const withTime = await enter(other, { sub: "eve" }, "/ws?meta=1");
    const others = [await enter(one, { sub: "eve.2" }), await connect(`${other.ws}/ws`)];
    const backend = new TestBackend(one);
    for (const client of [...eves, withTime, ...others]) await client.join("sentinel");

    await backend.say("$user.eve", "to eve");
    await backend.say("sentinel", "end");

    for (const client of eves) expect(await client.next()).toEqual({ topic: "$user.eve", payload: "to eve" });
    expect(await withTime.next()).toMatchObject({ topic: "$user.eve", payload: "to eve", id: expect.any(String) });
    for (const client of [...eves, ...others]) expect(await client.next()).toEqual(SENTINEL);
  });

  test("delivers $connection.ID to that connection, from any node", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const clients = [
      await enter(one, { sub: "eve" }),
      await enter(one, { sub: "eve" }),
      await connect(`${other.ws}/ws`),
    ];
    const ids: string[] = [];
    for (const [position, client] of clients.entries()) ids.push(await idOf(client, `alone${position}`));
    for (const client of clients) await client.join("sentinel");
    for (const node of [one, other]) {
      for (const id of ids) await new TestBackend(node).say(`$connection.${id}`, id);
      await new TestBackend(node).say("$connection.000000000000.1", "nobody");
    }
    await new TestBackend(one).say("sentinel", "end");
    for (const [position, client] of clients.entries()) {
      const message = { topic: `$connection.${ids[position]}`, payload: ids[position] };
      expect(await client.next()).toEqual(message);
      expect(await client.next()).toEqual(message);
      expect(await client.next()).toEqual(SENTINEL);
    }
  });

  test("O1: keeps the order of one publisher, and reaches users and topics in one request", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const client = await enter(other, { sub: "eve" });
    await client.join("foo");
    const numbers = Array.from({ length: 200 }, (_, number) => String(number));
    await publish(
      one,
      numbers.map((payload) => ({ topics: ["$user.eve"], payload })),
    );
    for (const payload of numbers) expect(await client.next()).toEqual({ topic: "$user.eve", payload });
    await publish(one, [{ topics: ["foo", "$user.eve", "$user.adam"], payload: "x" }]);
    const heard = [await client.next(), await client.next()].map(({ topic }) => topic);
    expect(heard.toSorted()).toEqual(["$user.eve", "foo"]);
  });

  test("delivers nothing to users of another vhost", async () => {
    const { one, other } = await startWorld(kind, { vhosts: { ...vhosts, "/shop": { jwt } } });
    const here = await enter(other, { sub: "eve" });
    const there = await enter(other, { sub: "eve" }, "/ws/shop");
    for (const client of [here, there]) await client.join("sentinel");
    const shop = new TestBackend(one, { "carillon-vhost": "/shop" });
    await shop.say(`$connection.${await idOf(here, "alone")}`, "not for here");
    await shop.say("$user.eve", "shop");
    await new TestBackend(one).say("$user.eve", "root");
    await new TestBackend(one).say("sentinel", "end");
    await shop.say("sentinel", "end");
    expect(await here.next()).toEqual({ topic: "$user.eve", payload: "root" });
    expect(await here.next()).toEqual(SENTINEL);
    expect(await there.next()).toEqual({ topic: "$user.eve", payload: "shop" });
    expect(await there.next()).toEqual(SENTINEL);
  });

  test("delivers a user's messages to a client once its new token is confirmed, and none to closed connections", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const backend = new TestBackend(one);
    const client = await connect(`${other.ws}/ws`);
    await client.join("sentinel");
    await backend.say("$user.eve", "too early");
    const answer = await client.ask({ command: "authenticate", payload: await token({ sub: "eve" }), id: 1 });
    expect(answer).toMatchObject({ topic: "@authenticate" });
    await backend.say("$user.eve", "now");
    expect(await client.next()).toEqual({ topic: "$user.eve", payload: "now" });

    const second = await enter(other, { sub: "eve" });
    await second.join("sentinel");
    client.webSocket.close();
    await client.closed;
    await backend.say("$user.eve", "the other one");
    expect(await second.next()).toEqual({ topic: "$user.eve", payload: "the other one" });
  });

  test("accepts any valid user id", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const users = [
      "Eve Adams",
      "eve@example.com",
      "*",
      ">",
      "a.*.b",
      "..",
      "%2A",
      "ü\u{1F600}",
      "$user.x",
      "x".repeat(255),
    ];
    const clients = await Promise.all(users.map((user) => enter(other, { sub: user })));
    for (const client of clients) await client.join("sentinel");
    for (const user of users) await new TestBackend(one).say(`$user.${user}`, user);
    await new TestBackend(one).say("sentinel", "end");
    for (const [position, client] of clients.entries()) {
      const user = users[position];
      expect(await client.next()).toEqual({ topic: `$user.${user}`, payload: user });
      expect(await client.next()).toEqual(SENTINEL);
    }
  });

  test("T4: refuses clients that join, leave, publish or ask for presence, and joins on their behalf", async () => {
    const permissions = { join: ["*"], publish: ["*"], presence: ["*"] };
    const { one } = await startWorld(kind, { vhosts });
    const client = await enter(one, { sub: "eve", permissions });
    for (const topic of ["$user.eve", "$user.adam", "$connection.a.1", "$other"]) {
      for (const command of ["join", "leave", "publish", "presence"]) {
        expect(await client.ask({ command, topics: [topic], id: 1 })).toMatchObject({
          topic: `#${command}`,
          error: { code: "invalid_argument", message: "topics[0] begins with a reserved character (@, # or $)" },
        });
      }
    }
    const { status } = await new TestBackend(one).ask(ControlService.method.subscribe, {
      target: { target: { case: "user", value: "eve" } },
      topics: ["$user.adam"],
    });
    expect(status).toBe(STATUS.invalidArgument);
  });
});

test("W22: checks by a key's scope which users it may publish to", async () => {
  const scoped = configuredKey("scoped", { actions: ["publish"], topics: ["$user.>", "news"] });
  const other = configuredKey("other", { actions: ["publish"], topics: ["news"] });
  const node = await startNode({ vhosts: { "/": { jwt, keys: [scoped, other] } } });
  const statusOf = async (key: string, topic: string) => {
    const request = { messages: [{ topics: [topic], payload: Buffer.from("x") }] };
    return (await new TestBackend(node, bearer(key)).ask(BroadcastService.method.publish, request)).status;
  };
  expect(await statusOf("scoped", "$user.eve")).toBe(STATUS.ok);
  expect(await statusOf("scoped", "$connection.a.1")).toBe(STATUS.permissionDenied);
  expect(await statusOf("other", "$user.eve")).toBe(STATUS.permissionDenied);
});

test("T4: refuses invalid ids and other names that begin with $, and publishes nothing of the request", async () => {
  const node = await startNode({ vhosts });
  for (const topic of ["$user.", "$user", "$connection.", "$users.eve", `$user.${"x".repeat(256)}`, "$user.a\u0000"]) {
    const answer = await publish(node, [{ topics: ["foo", topic], payload: "x" }]);
    expect([topic, answer.status, answer.message?.startsWith("messages[0].topics[1] ")]).toEqual([topic, 400, true]);
  }
});

test("W22: uses the vhost's default broker, and follows its change", async () => {
  const brokers = { a: { driver: "memory" }, b: { driver: "memory" } } as const;
  const node = await startNode({ brokers, vhosts: { "/": { jwt } } });
  const root = new TestBackend(node);
  await root.call(ControlService.method.createVhost, { path: "/shop", settings: { jwt } });
  const backend = new TestBackend(node, { "carillon-vhost": "/shop" });
  const client = await enter(node, { sub: "eve" }, "/ws/shop");
  const refused = await backend.ask(BroadcastService.method.publish, {
    messages: [{ topics: ["foo", "$user.eve"], broker: "b", payload: Buffer.from("x") }],
  });
  expect([refused.status, refused.message]).toEqual([
    STATUS.invalidArgument,
    'messages[0].topics[1] can be published only on the vhost\'s default broker "a"',
  ]);
  await backend.say("$user.eve", "by a");
  expect(await client.next()).toEqual({ topic: "$user.eve", payload: "by a" });
  await root.call(ControlService.method.updateVhost, { path: "/shop", settings: { jwt, brokers: ["b", "a"] } });
  await client.join("sentinel");
  await backend.call(BroadcastService.method.publish, {
    messages: [{ topics: ["$user.eve"], broker: "b", payload: Buffer.from("by b") }],
  });
  expect(await client.next()).toEqual({ topic: "$user.eve", payload: "by b" });
});

test("N4, N7: subscribes once for all connections of a vhost, and once for each connected user", async () => {
  const { nats, one } = await startWorld("two nodes on NATS", { vhosts: { ...vhosts, "/shop": {} } });
  if (nats === undefined) throw new Error("no NATS");
  const become = (expected: readonly RegExp[]) =>
    until(
      () => userSubjectsOf(nats, "one"),
      (subjects) =>
        subjects.length === expected.length &&
        expected.every((pattern, position) => pattern.test(subjects[position] ?? "")),
    );
  const ofConnections = /^carillon\._\.\$connection\.[\da-f]{12}\.\*$/;
  await become([]);
  const anonymous = await Promise.all(Array.from({ length: 20 }, () => connect(`${one.ws}/ws`)));
  await become([ofConnections]);
  const eves = [await enter(one, { sub: "eve" }), await enter(one, { sub: "eve" })];
  await connect(`${one.ws}/ws/shop`);
  await become([ofConnections, /^carillon\._\.\$user\.eve$/, /^carillon\.shop\.\$connection\.[\da-f]{12}\.\*$/]);
  eves[0]?.webSocket.close();
  await anonymous[0]?.ask({ command: "authenticate", payload: await token({ sub: "Adam B" }), id: 1 });
  await become([ofConnections, /\.\$user\.Adam%20B$/, /\.\$user\.eve$/, /shop/]);
  eves[1]?.webSocket.close();
  await become([ofConnections, /\.\$user\.Adam%20B$/, /shop/]);
  for (const client of anonymous) client.webSocket.close();
  await become([/shop/]);
  expect(await userSubjectsOf(nats, "other")).toEqual([]);
});

test("W15, W22: answers a client that gets a user when NATS has confirmed the user's subscription", async () => {
  const server = await startNats();
  const proxy = await startNatsProxy(server.port);
  const node = await startNatsNode(proxy.url, {}, { vhosts });
  const other = await startNatsNode(server.url, {}, { vhosts });
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");

  proxy.hold("clients");
  client.send({ command: "authenticate", payload: await token({ sub: "eve" }) });
  // Subscriptions of the vhost's connections, of foo and of the user.
  await proxy.passed("SUB", 3);
  await new TestBackend(other).say("$user.eve", "before");
  for (let count = 0; count < 20; count += 1) await readiness(node);
  expect(client.unread).toEqual([]);

  proxy.release();
  expect(await client.next()).toEqual({ topic: "@authenticate", payload: [] });
  await new TestBackend(other).say("$user.eve", "after");
  expect(await client.next()).toEqual({ topic: "$user.eve", payload: "after" });
});

test("O9: delivers to users again when NATS returns", async () => {
  const server = await startNats();
  const proxy = await startNatsProxy(server.port);
  const node = await startNatsNode(proxy.url, {}, { vhosts });
  const other = new TestBackend(await startNatsNode(server.url, {}, { vhosts }));
  const client = await enter(node, { sub: "eve" });
  const id = await idOf(client, "foo");
  proxy.hold("clients");
  proxy.cut();
  await becomes(node, 503);
  const late = await enter(node, { sub: "adam" });
  proxy.release();
  await becomes(node, 200);
  for (const topic of ["$user.eve", `$connection.${id}`, "$user.adam"]) await other.say(topic, "again");
  expect(await client.next()).toEqual({ topic: "$user.eve", payload: "again" });
  expect(await client.next()).toEqual({ topic: `$connection.${id}`, payload: "again" });
  expect(await late.next()).toEqual({ topic: "$user.adam", payload: "again" });
});

test("N6, W22: lets joins go on and logs once when NATS refuses the subscriptions", async () => {
  const server = await startNats(`authorization: { users: [ { user: ann, password: x, permissions: {
    publish: { allow: ">" }, subscribe: { deny: ["carillon._.$user.>", "carillon._.$connection.>"] } } } ] }`);
  const records: string[] = [];
  const carillon = createCarillon(
    {
      http: "127.0.0.1:0",
      grpc: "127.0.0.1:0",
      brokers: { nats: { driver: "nats", servers: [server.url], user: "ann", password: "x" } },
      vhosts,
    },
    pino({ level: "warn" }, { write: (record: string) => void records.push(record) }),
  );
  cleanUp(() => carillon.stop());
  await carillon.start();
  const http = carillon.addresses?.http ?? "";
  const ws = http.replace("http", "ws");
  for (const user of ["eve", "adam"]) {
    const client = await enter({ ws }, { sub: user });
    await client.join("foo");
  }
  expect(records.filter((record) => record.includes("messages addressed to their user or connection"))).toHaveLength(1);
});

test("N3: delivers what any NATS client publishes for a user", async () => {
  const { nats, one } = await startWorld("two nodes on NATS", { vhosts });
  if (nats === undefined) throw new Error("no NATS");
  const client = await enter(one, { sub: "eve" });
  await client.join("foo");
  const plain = await connectNats(nats);
  plain.publish("carillon._.$user.eve", "plain");
  expect(await client.next()).toEqual({ topic: "$user.eve", payload: "plain" });
});
