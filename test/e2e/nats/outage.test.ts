import { type JsonAnswer, publish, say } from "../../support/backends/publish.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import { LOAD } from "../../support/load.js";
import { connectNats } from "../../support/nats/client.js";
import { subjectsOf } from "../../support/nats/monitor.js";
import { becomes, readiness, startNatsNode } from "../../support/nats/node.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { NatsServer, startNats } from "../../support/nats/server.js";
import type { TestNode } from "../../support/nodes/node.js";

/** Publishes numbered messages one after the other, regardless of the answers, until stopped. */
class Load {
  readonly answers = new Map<string, JsonAnswer>();
  readonly #done: Promise<void>;
  #stop = false;

  constructor(
    readonly node: TestNode,
    readonly name: string,
    readonly topic: string,
  ) {
    this.#done = this.#run();
  }

  get delivered(): string[] {
    return [...this.answers].filter(([, { ok }]) => ok === true).map(([payload]) => payload);
  }

  /** Resolves after this number of further answers. */
  async more(count: number): Promise<void> {
    const end = this.answers.size + count;
    while (this.answers.size < end) await readiness(this.node);
  }

  stop(): Promise<void> {
    this.#stop = true;
    return this.#done;
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#stop; number += 1) {
      const payload = `${this.name}${number}`;
      this.answers.set(payload, await publish(this.node, [{ topics: [this.topic], payload }]));
    }
  }
}

async function readUntil(client: TestClient, last: string): Promise<string[]> {
  const payloads: string[] = [];
  while (payloads.at(-1) !== last) payloads.push(String((await client.next()).payload));
  return payloads;
}

function numbersOf(payloads: readonly string[], name: string): number[] {
  return payloads.filter((payload) => payload.startsWith(name)).map((payload) => Number(payload.slice(name.length)));
}

test("O9: keeps connections, answers every request correctly and recovers when NATS is killed and restarted under load", async () => {
  const server = await startNats('http: "127.0.0.1:-1"');
  const one = await startNatsNode(server.url, { client_name: "one" }, { interest_linger: "0" });
  const other = await startNatsNode(server.url, { client_name: "other" }, { interest_linger: "0" });
  const clients = [await connect(`${one.ws}/ws`), await connect(`${other.ws}/ws`)] as const;
  for (const client of clients) await client.join("foo");
  const passenger = await connect(`${one.ws}/ws`);
  await passenger.join("left.while.away", "stays");
  const loads = [new Load(one, "a", "foo"), new Load(other, "b", "foo")] as const;
  for (const load of loads) await load.more(20);

  await server.kill();
  for (const node of [one, other]) await becomes(node, 503);
  expect(await readiness(one)).toEqual({ status: 503, text: "broker nats is not connected\n" });
  for (const load of loads) await load.more(20);
  const away = await publish(one, [{ topics: ["foo"], payload: "never" }]);
  expect(away).toMatchObject({ status: 503, code: "unavailable", message: 'broker "nats" is not connected' });
  expect(await publish(one, [{ topics: ["foo"], payload: "never" }], "PublishAsync")).toMatchObject({
    code: "unavailable",
  });
  expect(await passenger.ask({ command: "join", topics: ["new"], id: 1 })).toMatchObject({
    topic: "#join",
    payload: ["new"],
    error: { code: "unavailable", message: 'broker "nats" is not connected' },
  });
  expect(await passenger.ask({ command: "leave", topics: ["left.while.away"] })).toMatchObject({ topic: "@leave" });
  expect((await fetch(`${one.http}/healthz`)).status).toBe(200);

  await server.start();
  await becomes(one, 200);
  // All subscriptions are active when the node reports that it is ready.
  expect(await subjectsOf(server, "one")).toEqual(["carillon._.foo", "carillon._.stays"]);
  await becomes(other, 200);
  expect(await subjectsOf(server, "other")).toEqual(["carillon._.foo"]);
  const plain = await connectNats(server);
  plain.publish("carillon._.stays", "from a plain client");
  expect(await passenger.next()).toEqual({ topic: "stays", payload: "from a plain client" });
  await passenger.join("new");
  await say(other, "new", "after");
  expect(await passenger.next()).toEqual({ topic: "new", payload: "after" });

  for (const load of loads) await load.more(20);
  for (const load of loads) await load.stop();
  await say(one, "foo", "end");
  const received = await Promise.all(clients.map((client) => readUntil(client, "end")));

  for (const [position, { answers, delivered, name }] of loads.entries()) {
    const codes = new Set([...answers.values()].map(({ code, ok }) => (ok === true ? "ok" : code)));
    expect([...codes].toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual(["ok", "unavailable"]);
    for (const payloads of received) {
      const numbers = numbersOf(payloads, name);
      // Numbers are in order, without duplicates.
      expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    }
    // On the publisher's node, acknowledged messages before the kill had been delivered before their acknowledgement.
    expect(received[position]).toEqual(expect.arrayContaining(delivered));
    // On the other node, messages acknowledged after the restart are delivered.
    const since = [...answers.keys()].slice(-20);
    expect(received[1 - position]).toEqual(expect.arrayContaining(since));
  }
  expect(received.flat()).not.toContain("never");
  for (const client of [...clients, passenger]) expect(client.webSocket.readyState).toBe(client.webSocket.OPEN);
});

test("O9: starts before NATS, refuses publishes, and works when NATS becomes available", async () => {
  const server = await startNats();
  await server.kill();
  const node = await startNatsNode(server.url);
  expect(await readiness(node)).toEqual({ status: 503, text: "broker nats is not connected\n" });
  const client = await connect(`${node.ws}/ws`);
  expect(await client.ask({ command: "join", topics: ["foo"], id: 1 })).toMatchObject({
    error: { code: "unavailable" },
  });
  expect(await publish(node, [{ topics: ["foo"], payload: "x" }])).toMatchObject({ code: "unavailable" });

  await server.start();
  await becomes(node, 200);

  await client.join("foo");
  await say(node, "foo", "hello");
  expect(await client.next()).toMatchObject({ payload: "hello" });
});

test("O9: has each subscription exactly once after every one of several reconnects", async () => {
  const server = await startNats();
  const node = await startNatsNode(server.url);
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");

  for (let round = 0; round < 4; round += 1) {
    await server.kill();
    await becomes(node, 503);
    await server.start();
    await becomes(node, 200);
    const plain = await connectNats(server);
    plain.publish("carillon._.foo", `plain ${round}`);
    await plain.flush();
    await say(node, "foo", `own ${round}`);
    expect(await client.next()).toMatchObject({ payload: `plain ${round}` });
    expect(await client.next()).toMatchObject({ payload: `own ${round}` });
  }
  expect(client.unread).toEqual([]);
});

test("O9: is ready again when NATS has processed its subscriptions, not when they were sent", async () => {
  const server = await startNats();
  const proxy = await startNatsProxy(server.port);
  const node = await startNatsNode(proxy.url);
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  const sent = proxy.count("SUB");

  proxy.hold("clients");
  proxy.cut();
  await proxy.passed("SUB", sent + 2);
  for (let count = 0; count < 20; count += 1) expect(await readiness(node)).toMatchObject({ status: 503 });
  expect(await client.ask({ command: "join", topics: ["bar"], id: 1 })).toMatchObject({
    error: { code: "unavailable" },
  });

  proxy.release();
  await becomes(node, 200);
  await say(node, "foo", "hello");
  expect(await client.next()).toMatchObject({ payload: "hello" });
});

test("E12: answers publishes and joins with UNAVAILABLE in time while NATS is silent, and recovers", async () => {
  const server = await startNats();
  const node = await startNatsNode(server.url, { confirm_timeout: "3s" });
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  const text = 'broker "nats" did not confirm within 3000 ms: the outcome is unknown';

  server.signal("SIGSTOP");
  const answers = await Promise.all([
    publish(node, [{ topics: ["foo"], payload: "1" }]),
    publish(node, [{ topics: ["foo"], payload: "2" }]),
    client.ask({ command: "join", topics: ["bar", "foo"], id: 1 }),
  ]);
  expect(answers[0]).toMatchObject({ status: 503, code: "unavailable", message: text });
  expect(answers[1]).toMatchObject({ status: 503, code: "unavailable", message: text });
  expect(answers[2]).toMatchObject({ topic: "#join", error: { code: "unavailable", message: text } });
  expect(await publish(node, [{ topics: ["foo"], payload: "3" }])).toMatchObject({
    code: "unavailable",
    message: text,
  });

  server.signal("SIGCONT");
  let answer: JsonAnswer;
  do answer = await publish(node, [{ topics: ["bar"], payload: "not joined" }]);
  while (answer.ok !== true);
  await say(node, "foo", "end");
  // Messages in flight are delivered once, and the joins have had no effect.
  const frames = [await client.next(), await client.next(), await client.next(), await client.next()];
  expect(frames.map(({ payload, topic }) => `${topic} ${String(payload)}`).toSorted()).toEqual([
    "foo 1",
    "foo 2",
    "foo 3",
    "foo end",
  ]);
  expect(client.unread).toEqual([]);
});

test("E12: fails pending publishes and joins when NATS is lost, and does not resend them", async () => {
  const server = await startNats();
  const proxy = await startNatsProxy(server.port);
  const node = await startNatsNode(proxy.url);
  const other = await startNatsNode(server.url);
  const client = await connect(`${node.ws}/ws`);
  const elsewhere = await connect(`${other.ws}/ws`);
  await client.join("foo");
  await elsewhere.join("foo");
  const lost = {
    code: "unavailable",
    message: 'the connection to broker "nats" was lost before it confirmed: the outcome is unknown',
  };

  proxy.hold("server");
  const answer = publish(node, [{ topics: ["foo"], payload: "arrived, not confirmed" }]);
  client.send({ command: "join", topics: ["bar"], id: 1 });
  await proxy.passed("HPUB", 1);
  // Subscriptions to foo, bar and to messages for single connections.
  await proxy.passed("SUB", 3);
  expect(await elsewhere.next()).toMatchObject({ payload: "arrived, not confirmed" });
  proxy.cut();
  expect(await answer).toMatchObject({ status: 503, ...lost });
  expect(await client.next()).toMatchObject({ topic: "#join", error: lost });

  proxy.release();
  await becomes(node, 200);
  await say(node, "bar", "not joined");
  await say(node, "foo", "end");
  expect(await client.next()).toEqual({ topic: "foo", payload: "end" });
  expect(await elsewhere.next()).toEqual({ topic: "foo", payload: "end" });
});

describe("L7: stop", () => {
  const STOP_TIMEOUT = 1_000;
  /** Allowance for a loaded machine, in milliseconds. */
  const SLACK = 1_500 * LOAD;

  test.each(["away", "frozen"])("L7: stops in time while NATS is %s", async (how) => {
    const server = new NatsServer();
    cleanUp(() => server.remove());
    await server.start();
    const node = await startNatsNode(server.url, { confirm_timeout: "1m" }, { stop_timeout: `${STOP_TIMEOUT}ms` });
    const client = await connect(`${node.ws}/ws`);
    await client.join("foo");
    if (how === "away") {
      await server.kill();
      await becomes(node, 503);
    } else {
      server.signal("SIGSTOP");
    }

    const begin = performance.now();
    await node.carillon.stop();

    expect(performance.now() - begin).toBeLessThan(STOP_TIMEOUT + SLACK);
    expect(await client.closed).toEqual({ code: 1012, reason: "service restart, retry after 1-10 s" });
  });

  test("L7: answers a publish in progress and delivers it on the other node", async () => {
    const server = await startNats();
    const proxy = await startNatsProxy(server.port);
    const node = await startNatsNode(proxy.url);
    const other = await startNatsNode(server.url);
    const client = await connect(`${other.ws}/ws`);
    await client.join("foo");
    server.signal("SIGSTOP");
    const answer = publish(node, [{ topics: ["foo"], payload: "last" }]);
    await proxy.passed("HPUB", 1);
    const stopped = node.carillon.stop();
    server.signal("SIGCONT");

    expect(await answer).toMatchObject({ ok: true });
    await stopped;
    expect(await client.next()).toMatchObject({ payload: "last" });
  });
});
