import { connect, refusedUpgrade, type TestClient } from "../../support/client.js";
import { metric, untilMetric } from "../../support/metrics.js";
import { startNode, type TestNode } from "../../support/node.js";
import { PollingClient } from "../../support/polling-client.js";
import { publish, say } from "../../support/publish.js";
import { connectRaw, frame, OPCODE, openRaw } from "../../support/raw-client.js";
import { connectStock } from "../../support/socket-io-client.js";
import { startWorker } from "../../support/worker.js";

const PATH = "/socket.io/?EIO=4&transport=websocket";
const POLL = "/socket.io/?EIO=4&transport=polling";
const CONNECTIONS = "carillon_connections";

/** A plain WebSocket that has come to a namespace. */
async function connected(node: TestNode, connectPacket = "40"): Promise<TestClient> {
  const client = await connect(node.ws + PATH);
  expect(await client.nextText()).toMatch(/^0\{/);
  client.send(connectPacket);
  expect(await client.nextText()).toMatch(/^40/);
  return client;
}

/** Where a new connection that polls is asked. */
async function handshake({ http }: TestNode): Promise<string> {
  const opened = await (await fetch(http + POLL)).text();
  return `${http}${POLL}&sid=${(JSON.parse(opened.slice(1)) as { sid: string }).sid}`;
}

async function post(url: string, body: string): Promise<void> {
  await (await fetch(url, { method: "POST", body })).arrayBuffer();
}

async function poll(url: string): Promise<string> {
  return (await fetch(url)).text();
}

describe("who may come", () => {
  test("I16: origins are checked on both transports, and browsers are let read the answers", async () => {
    const node = await startNode({ origins: ["https://app.example"] });
    const ask = (origin: string, method = "GET", headers = {}) =>
      fetch(node.http + POLL, { method, headers: { origin, ...headers } });
    const good = await ask("https://app.example");
    expect(good.status).toBe(200);
    expect(good.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(good.headers.get("access-control-allow-credentials")).toBe("true");
    const bad = await ask("https://evil.example");
    expect(bad.status).toBe(403);
    expect(bad.headers.get("access-control-allow-origin")).toBeNull();
    const preflight = await ask("https://app.example", "OPTIONS", { "access-control-request-headers": "x-own" });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toBe("x-own");
    expect(await refusedUpgrade(node.ws + PATH, { origin: "https://evil.example" })).toMatchObject({ status: 403 });
    const client = await connect(node.ws + PATH, { origin: "https://app.example" });
    expect(await client.nextText()).toMatch(/^0\{/);
  });

  test("I16: what is no request of Engine.IO's is refused", async () => {
    const node = await startNode();
    for (const path of [
      "/socket.io/",
      "/socket.io/?EIO=3&transport=polling",
      `${POLL}&sid=nobody`,
      `${POLL}&sid=__proto__`,
    ]) {
      expect((await fetch(node.http + path)).status).toBe(400);
    }
    expect((await fetch(`${node.http}/socket.io/socket.io.js`)).status).toBe(404);
    expect((await fetch(node.http + POLL, { method: "POST", body: "40" })).status).toBe(400);
    expect((await refusedUpgrade(`${node.ws}/socket.io/?EIO=4&transport=websocket&sid=x`)).status).toBe(400);
    expect((await refusedUpgrade(`${node.ws}/socket.io/other`)).status).toBe(404);
  });

  test("I17: the limit of connections is for these and the WebSockets together", async () => {
    const node = await startNode({ limits: { connections: 2 }, vhosts: { "/shop": {} } });
    const first = await connected(node);
    first.send("40/shop,");
    expect(await first.nextText()).toMatch(/^40\/shop,/);
    const refused = await fetch(node.http + POLL);
    expect(refused.status).toBe(503);
    expect(await refusedUpgrade(node.ws + PATH)).toMatchObject({ status: 503 });
    first.send("41/shop,");
    const second = await connect(`${node.ws}/ws`);
    await second.join("a");
    first.send("40/shop,");
    expect(await first.nextText()).toMatch(/^44\/shop,.*"code":"unavailable"/);
  });

  test("I16: a request that names two connections is refused: which one would be checked?", async () => {
    const node = await startNode({ limits: { connections: 1 } });
    await connected(node);
    for (const sids of ["&sid=x&sid=", "&sid=&sid=x", "&sid=&sid="]) {
      const refused = await fetch(node.http + POLL + sids);
      expect([refused.status, await refused.json()]).toMatchObject([400, { message: "more than one sid" }]);
      expect(await refusedUpgrade(node.ws + PATH + sids)).toMatchObject({ status: 400 });
    }
    expect((await fetch(node.http + POLL)).status).toBe(503);
  });

  test("I17: connections that are in no namespace take none of the places of clients, and are bounded", async () => {
    const node = await startNode({ limits: { connections: 2 } });
    const idle = await Promise.all(Array.from({ length: 1_024 }, () => handshake(node)));
    expect((await fetch(node.http + POLL)).status).toBe(503);
    expect(await refusedUpgrade(node.ws + PATH)).toMatchObject({ status: 503 });
    await connect(`${node.ws}/ws`);
    const [first = "", second = ""] = idle;
    await post(first, "40");
    expect(await poll(first)).toMatch(/^40/);
    // The limit is looked at when it comes in, too.
    await post(second, "40");
    expect(await poll(second)).toMatch(/^44.*"code":"unavailable"/);
    // Neither of the places that were given back is lost.
    await post(first, "41");
    expect((await fetch(node.http + POLL)).status).toBe(503);
    await post(second, "40");
    expect(await poll(second)).toMatch(/^40/);
    await post(first, "1");
    expect((await refusedUpgrade(node.ws + PATH)).status).toBe(503);
  });

  test("I12: whoever asks again for a namespace, before or after it is in it, ends its connection", async () => {
    const node = await startNode();
    const before = await connect(node.ws + PATH);
    before.send("40");
    before.send("40");
    await before.closed;
    const after = await connected(node);
    after.send("40");
    await after.closed;
    await untilMetric(node, 'carillon_connections_closed_total{code="1006"}', 1);
    expect(await metric(node, CONNECTIONS)).toBe(0);
  });

  test("I12: it may ask again when it was refused, or has left", async () => {
    const node = await startNode({ vhosts: { "/shop": { anonymous: { connect: true } } } });
    const client = await connect(node.ws + PATH);
    await client.nextText();
    for (let time = 0; time < 3; time += 1) {
      client.send('40/shop,{"token":"x"}');
      expect(await client.nextText()).toMatch(/^44\/shop,/);
      client.send("40/shop,");
      expect(await client.nextText()).toMatch(/^40\/shop,/);
      client.send("41/shop,");
      client.send("40/nope,");
      expect(await client.nextText()).toMatch(/^44\/nope,.*Invalid namespace/);
    }
  });

  test("I17: a deleted connection leaves nothing behind, whether it was let in or not", async () => {
    const node = await startNode({ vhosts: { "/shop": { anonymous: { connect: true } } } });
    for (let time = 0; time < 20; time += 1) {
      const client = await connect(node.ws + PATH);
      client.send(time % 2 === 0 ? "40/shop," : '40{"token":"x"}');
      await client.nextText();
      await client.nextText();
      client.webSocket.terminate();
    }
    while ((await metric(node, CONNECTIONS)) > 0);
    expect(await metric(node, CONNECTIONS)).toBe(0);
  });
});

describe("what waits", () => {
  const OUTBOX = 256 * 1024;
  const text = "x".repeat(65_536);

  test("O6: a client that does not read is disconnected, others get everything in order", async () => {
    const node = await startNode({ limits: { outbox: "256KiB" } });
    const slow = await openRaw(node.http, PATH);
    const quick = await connectStock(node.http, { transports: ["websocket"] });
    await slow.next();
    slow.send(frame(OPCODE.text, "40"));
    await slow.next();
    slow.send(frame(OPCODE.text, '421["join",{"topics":["a"]}]'));
    await slow.next();
    await quick.ask("join", { topics: ["a"] });
    slow.socket.pause();
    let count = 0;
    while ((await metric(node, 'carillon_connections_closed_total{code="1013"}')) === 0) {
      for (let more = 0; more < 8; more += 1) {
        await say(node, "a", JSON.stringify({ count, text }));
        expect(await quick.heard.next()).toMatchObject({ value: { count } });
        count += 1;
      }
    }
    expect(await metric(node, 'carillon_drops_total{reason="slow_consumer"}')).toBeGreaterThan(0);
    expect(await metric(node, CONNECTIONS)).toBe(1);
  });

  test("O6: so is one that does not poll", async () => {
    const node = await startNode({ limits: { outbox: "256KiB" } });
    const slow = await PollingClient.connect(node.http);
    await slow.send('421["join",{"topics":["a"]}]');
    expect(await slow.next()).toBe('431[{"ok":true}]');
    for (let count = 0; count < OUTBOX / 65_536 + 4; count += 1) await say(node, "a", text);
    await untilMetric(node, 'carillon_connections_closed_total{code="1013"}', 1);
  });

  test("O6: a slow client misses what the topic lets it miss, is told, and goes on", async () => {
    const node = await startNode({
      limits: { outbox: "256KiB" },
      vhosts: { "/": { topics: [{ match: "a", slow_consumer: "latest" }] } },
    });
    const slow = await PollingClient.connect(node.http);
    await slow.send('421["join",{"topics":["a"]}]');
    expect(await slow.next()).toBe('431[{"ok":true}]');
    const numbers: number[] = [];
    for (let count = 0; count < 20; count += 1) await say(node, "a", JSON.stringify({ count, text }));
    let missed = 0;
    while (numbers.at(-1) !== 19) {
      const [event, value] = JSON.parse((await slow.next()).slice(2)) as [string, { count: number; missed: number }];
      if (event === "lagged") missed += value.missed;
      else numbers.push(value.count);
    }
    expect(numbers.length + missed).toBe(20);
    expect(missed).toBeGreaterThan(0);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  test("O6: a client does not get to make the server keep what it provokes and does not read", async () => {
    const node = await startNode();
    const flood = await openRaw(node.http, PATH);
    await flood.next();
    flood.socket.pause();
    const packet = `40/${"a".repeat(250)},`;
    while (!flood.socket.closed) {
      for (let more = 0; more < 1_000; more += 1) flood.send(frame(OPCODE.text, packet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await metric(node, CONNECTIONS)).toBe(0);
  });

  test("O6: one that polls, on a connection of its own each time, and reads nothing, is disconnected", async () => {
    const node = await startNode({ limits: { outbox: "256KiB" } });
    const url = await handshake(node);
    await post(url, "40");
    await poll(url);
    const topics = Array.from({ length: 10 }, (_, at) => `t${at}`);
    await post(url, `421["join",${JSON.stringify({ topics })}]`);
    expect(await poll(url)).toBe('431[{"ok":true}]');
    // More than two kernels take for one connection.
    const message = { topics, payload: "x".repeat(900_000) };
    for (let time = 0; time < 2; time += 1) {
      const { socket } = await connectRaw(node.http);
      socket.pause();
      socket.write(`GET ${url.slice(node.http.length)} HTTP/1.1\r\nHost: test\r\n\r\n`);
      expect((await publish(node, [message, message])).ok).toBe(true);
    }
    await untilMetric(node, 'carillon_connections_closed_total{code="1013"}', 1);
    expect(await metric(node, CONNECTIONS)).toBe(0);
  });

  test("O6: more packets than may be in one request end the connection, and none of them is taken", async () => {
    const node = await startNode();
    const url = await handshake(node);
    await post(url, "40");
    expect(await poll(url)).toMatch(/^40/);
    const packets = Array.from({ length: 20_001 }, () => '42["call"]');
    await expect(post(url, packets.join("\x1e"))).rejects.toThrow("fetch failed");
    await untilMetric(node, 'carillon_connections_closed_total{code="1008"}', 1);
    expect((await fetch(url)).status).toBe(400);
    expect(await metric(node, "carillon_commands_total")).toBe(0);
  });

  test("O6: refusals that nobody reads end the connection", async () => {
    const node = await startNode();
    const url = await handshake(node);
    await post(url, Array.from({ length: 15_000 }, () => "40/nope,").join("\x1e")).catch(() => {});
    expect((await fetch(url)).status).toBe(400);
  });

  test("O6: while very many events of one client are worked on, others have their turns", async () => {
    const node = await startNode();
    const client = await PollingClient.connect(node.http);
    const events = Array.from({ length: 10_000 }, (_, at) => `42${at}["leave",{"topics":["a"]}]`);
    let turns = 0;
    let over = false;
    const turn = (): void => {
      turns += 1;
      if (!over) setImmediate(turn);
    };
    turn();
    expect(await client.send(...events)).toBe(200);
    for (let at = 0; at < events.length; at += 1) expect(await client.next()).toBe(`43${at}[{"ok":true}]`);
    over = true;
    expect(turns).toBeGreaterThan(10_000 / 256);
  });

  test("I15: a client that answers no ping is gone, if it changes its transport meanwhile", async () => {
    const node = await startNode({ ping: { interval: "200ms", timeout: "100ms" } });
    const url = await handshake(node);
    await post(url, "40");
    expect(await poll(url)).toMatch(/^40/);
    expect(await poll(url)).toBe("2");
    const client = await connect(url.replace("http", "ws").replace("polling", "websocket"));
    client.send("2probe");
    expect(await client.nextText()).toBe("3probe");
    client.send("5");
    await client.closed;
    await untilMetric(node, 'carillon_connections_closed_total{code="1011"}', 1);
  });

  test("O6: events that come while others are worked on wait, and are bounded", async () => {
    const node = await startNode({ limits: { frame: "4KiB" } });
    const client = await PollingClient.connect(node.http);
    const events = Array.from({ length: 30 }, (_, at) => `42${at}["join",{"topics":["t${at}"]}]`);
    expect(await client.send(...events)).toBe(200);
    for (let at = 0; at < events.length; at += 1) expect(await client.next()).toBe(`43${at}[{"ok":true}]`);
    expect(await client.send("x".repeat(5_000))).toBe(413);
  });

  test("I15: a client that polls gets its acknowledgements, messages and bytes in one answer", async () => {
    const node = await startNode();
    const client = await PollingClient.connect(node.http);
    await client.send('421["join",{"topics":["a"]}]');
    expect(await client.next()).toBe('431[{"ok":true}]');
    await say(node, "a", "1");
    await say(node, "a", "2");
    expect(await client.next()).toBe('42["message",1]');
    expect(await client.next()).toBe('42["message",2]');
    expect(await client.send("41")).toBe(200);
    await untilMetric(node, 'carillon_connections_closed_total{code="1000"}', 1);
  });
});

test("I8: an answer that comes after the client has gone is nobody's", async () => {
  const rules = { anonymous: { permissions: { call: ["e"] } }, socketio: { calls: [{ event: "e", elevated: false }] } };
  const node = await startNode({ vhosts: { "/": rules } });
  const worker = await startWorker(node, ["*"]);
  const client = await connected(node);
  client.send('421["e"]');
  await worker.tasks.next();
  client.send("41");
  expect(await worker.cancelled.next()).toMatchObject({ taskId: expect.any(String) as string });
});
