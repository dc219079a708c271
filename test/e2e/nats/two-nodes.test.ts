import { setImmediate as nextTurn } from "node:timers/promises";
import { publish, say } from "../../support/backends/publish.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import { publication, startNatsDriver } from "../../support/nats/driver.js";
import { monitor, subjectsOf } from "../../support/nats/monitor.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { type NatsServer, startNats } from "../../support/nats/server.js";
import type { TestNode } from "../../support/nodes/node.js";

const MONITORED = 'http: "127.0.0.1:-1"';

async function payloads(client: TestClient, count: number): Promise<string[]> {
  const result: string[] = [];
  while (result.length < count) result.push(String((await client.next()).payload));
  return result;
}

/** Resolves when the server has exactly these subjects. Polls with round trips. */
async function subjectsBecome(server: NatsServer, clientName: string, expected: readonly string[]): Promise<void> {
  const wanted = JSON.stringify(expected);
  while (JSON.stringify(await subjectsOf(server, clientName)) !== wanted);
}

/** Publishes in requests of three messages. */
async function publishNumbers(node: TestNode, name: string): Promise<void> {
  for (let number = 0; number < 300; number += 3) {
    const messages = [0, 1, 2].map((more) => ({ topics: ["foo"], payload: `${name}${number + more}` }));
    const answer = await publish(node, messages);
    if (answer.ok !== true) throw new Error(`not published: ${JSON.stringify(answer)}`);
  }
}

function numbered(name: string): string[] {
  return Array.from({ length: 300 }, (_, number) => `${name}${number}`);
}

test("O1: keeps each publisher's order, and one order for all sessions of a node, with publishers on two nodes", async () => {
  const server = await startNats();
  const nodes = [await startNatsNode(server.url), await startNatsNode(server.url)] as const;
  const clients = await Promise.all(
    nodes.map((node) => Promise.all([1, 2, 3].map((n) => connect(`${node.ws}/ws${n === 3 ? "?meta=1" : ""}`)))),
  );
  for (const client of clients.flat()) await client.join("foo");

  await Promise.all([publishNumbers(nodes[0], "a"), publishNumbers(nodes[1], "b")]);

  for (const ofNode of clients) {
    const orders = await Promise.all(ofNode.map((client) => payloads(client, 600)));
    for (const order of orders) {
      expect(order).toEqual(orders[0]);
      expect(order.filter((payload) => payload.startsWith("a"))).toEqual(numbered("a"));
      expect(order.filter((payload) => payload.startsWith("b"))).toEqual(numbered("b"));
    }
    for (const client of ofNode) expect(client.unread).toEqual([]);
  }
});

describe("N4: a node's subscriptions in NATS", () => {
  test("N4: cover exactly the topics of its sessions", async () => {
    const server = await startNats(MONITORED);
    const linger = { interest_linger: "0" };
    const one = await startNatsNode(server.url, { client_name: "one" }, linger);
    const other = await startNatsNode(server.url, { client_name: "other" }, linger);
    expect(await subjectsOf(server, "one")).toEqual([]);

    const a = await connect(`${one.ws}/ws`);
    const b = await connect(`${one.ws}/ws?meta=1`);
    const c = await connect(`${other.ws}/ws`);
    await a.join("foo", "bar.*");
    await b.join("foo");
    await c.join("baz");
    expect(await subjectsOf(server, "one")).toEqual(["carillon._.bar.%2A", "carillon._.foo"]);
    expect(await subjectsOf(server, "other")).toEqual(["carillon._.baz"]);

    await a.ask({ command: "leave", topics: ["foo", "bar.*"] });
    await subjectsBecome(server, "one", ["carillon._.foo"]);
    b.webSocket.close();
    await subjectsBecome(server, "one", []);
    expect(await subjectsOf(server, "other")).toEqual(["carillon._.baz"]);
  });

  test("N4: are unchanged after a refused join", async () => {
    const server = await startNats(MONITORED);
    const node = await startNatsNode(server.url, { client_name: "one" }, { limits: { topics_per_connection: 2 } });
    const client = await connect(`${node.ws}/ws`);
    expect(await client.ask({ command: "join", topics: ["a", "b", "c"] })).toMatchObject({ topic: "#join" });
    await client.join("d");
    expect(await subjectsOf(server, "one")).toEqual(["carillon._.d"]);
  });

  test("N4: are kept when a client leaves and rejoins quickly", async () => {
    const server = await startNats(MONITORED);
    const proxy = await startNatsProxy(server.port);
    const node = await startNatsNode(proxy.url, { client_name: "one" }, { interest_linger: "1h" });
    const client = await connect(`${node.ws}/ws`);

    for (let count = 0; count < 50; count += 1) {
      await client.join("foo");
      await say(node, "foo", String(count));
      expect(await client.next()).toMatchObject({ payload: String(count) });
      await client.ask({ command: "leave", topics: ["foo"] });
    }

    // The last subscription is for messages to single connections.
    expect(proxy.count("SUB")).toBe(2);
    expect(proxy.count("UNSUB")).toBe(0);
    expect(await subjectsOf(server, "one")).toEqual(["carillon._.foo"]);
  });

  test("N4: do not cover topics without sessions on the node", async () => {
    const server = await startNats(MONITORED);
    const one = await startNatsNode(server.url, { client_name: "one" });
    const other = await startNatsNode(server.url, { client_name: "other" });
    const client = await connect(`${one.ws}/ws`);
    await client.join("foo");

    for (let count = 0; count < 20; count += 1) await say(other, `else.${count}`, "x");
    await say(other, "foo", "the only one");

    expect(await client.next()).toMatchObject({ payload: "the only one" });
    interface Connz {
      readonly connections: readonly { readonly name: string; readonly out_msgs: number }[];
    }
    const { connections } = await monitor<Connz>(server, "connz");
    expect(connections.find(({ name }) => name === "one")?.out_msgs).toBe(1);
    expect(connections.find(({ name }) => name === "other")?.out_msgs).toBe(0);
  });
});

test("N5: shares one round trip among pending publishes and joins", async () => {
  const server = await startNats();
  const proxy = await startNatsProxy(server.port);
  const { driver } = await startNatsDriver({ servers: [proxy.url] });
  const before = proxy.count("PING");

  const begun: unknown[] = [];
  for (let position = 0; position < 1_000; position += 1)
    begun.push(driver.publish([publication(`t.${position}`, "x")]));
  for (let position = 0; position < 100; position += 1) begun.push(driver.settle());
  await Promise.all(begun);

  expect(proxy.count("HPUB")).toBe(1_000);
  expect(proxy.count("PING") - before).toBe(1);

  for (let position = 0; position < 10; position += 1) await driver.publish([publication("t", "x")]);
  expect(proxy.count("PING") - before).toBe(11);
});

test("N5: shares the next round trip among publishes that arrive while one is in flight", async () => {
  const server = await startNats();
  const proxy = await startNatsProxy(server.port);
  // The connection's own pings, which would be counted too, come every half of this timeout.
  const { driver } = await startNatsDriver({ servers: [proxy.url], confirmTimeout: 600_000 });
  const before = proxy.count("PING");
  proxy.hold("server");
  const begun: unknown[] = [driver.publish([publication("foo", "x")])];
  await proxy.passed("PING", before + 1);
  for (let position = 1; position < 100; position += 1) {
    begun.push(driver.publish([publication("foo", "x")]));
    // Publishes of one turn would share a round trip anyway.
    await nextTurn();
  }
  await proxy.passed("HPUB", 100);
  expect(proxy.count("PING") - before).toBe(1);

  proxy.release();
  await Promise.all(begun);
  expect(proxy.count("PING") - before).toBe(2);
});
