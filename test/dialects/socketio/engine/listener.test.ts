import { startWorker } from "../../../support/backends/worker.js";
import { connect, refusedUpgrade, type TestClient } from "../../../support/clients/native.js";
import { connectStock, stockClient, TRANSPORTS } from "../../../support/clients/socket-io.js";
import { metric, untilMetric } from "../../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../../support/nodes/node.js";
import { connectRaw } from "../../../support/raw/client.js";

const PATH = "/socket.io/?EIO=4&transport=websocket";
const POLL = "/socket.io/?EIO=4&transport=polling";
const CONNECTIONS = "carillon_connections";

/** Opens a plain WebSocket, and connects it to a namespace. */
async function connected(node: TestNode, connectPacket = "40"): Promise<TestClient> {
  const client = await connect(node.ws + PATH);
  expect(await client.nextText()).toMatch(/^0\{/);
  client.send(connectPacket);
  expect(await client.nextText()).toMatch(/^40/);
  return client;
}

/** Opens polling connections, pipelined over one TCP connection: all are open long before the first times out as idle. */
async function handshakes(node: TestNode, count: number): Promise<string[]> {
  const client = await connectRaw(node.http);
  client.send(`GET ${POLL} HTTP/1.1\r\nHost: test\r\n\r\n`.repeat(count));
  const urls: string[] = [];
  while (urls.length < count) {
    const { body } = await client.response();
    urls.push(`${node.http}${POLL}&sid=${(JSON.parse(body.slice(1)) as { sid: string }).sid}`);
  }
  client.socket.destroy();
  return urls;
}

async function post(url: string, body: string): Promise<void> {
  await (await fetch(url, { method: "POST", body })).arrayBuffer();
}

async function poll(url: string): Promise<string> {
  return (await fetch(url)).text();
}

describe("SocketIoListener", () => {
  test("I16: checks origins on both transports, and lets browsers read the answers", async () => {
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

  test("I1: serves the path without its final slash, on both transports", async () => {
    const node = await startNode();
    for (const transport of TRANSPORTS) {
      const client = await connectStock(node.http, { addTrailingSlash: false, transports: [transport] });
      expect(await client.ask("join", { topics: ["a"] })).toEqual({ ok: true });
    }
    const changing = stockClient(node.http, { addTrailingSlash: false });
    const upgraded = new Promise((resolve) => {
      changing.socket.io.engine.once("upgrade", resolve);
    });
    await changing.connected();
    await upgraded;
    expect(await changing.ask("join", { topics: ["a"] })).toEqual({ ok: true });
  });

  test("I1: does not serve paths that merely start with its own", async () => {
    const node = await startNode();
    for (const path of ["/socket.iox", "/socket.io.evil", "/socket.i", "/socket.io/x", "/socket.io//"]) {
      expect((await fetch(`${node.http}${path}?EIO=4&transport=polling`)).status).toBe(404);
      const url = `${node.ws}${path}?EIO=4&transport=websocket`;
      expect(await refusedUpgrade(url, {})).toMatchObject({ status: 404 });
    }
  });

  test("I16: refuses requests that are not Engine.IO's", async () => {
    const node = await startNode();
    for (const path of [
      "/socket.io/",
      "/socket.io/?transport=polling",
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

  test("I17: counts Socket.IO clients and other WebSockets together for the connection limit", async () => {
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

  test("I16: refuses a request with more than one sid", async () => {
    const node = await startNode({ limits: { connections: 1 } });
    await connected(node);
    for (const sids of ["&sid=x&sid=", "&sid=&sid=x", "&sid=&sid="]) {
      const refused = await fetch(node.http + POLL + sids);
      expect([refused.status, await refused.json()]).toMatchObject([400, { message: "more than one sid" }]);
      expect(await refusedUpgrade(node.ws + PATH + sids)).toMatchObject({ status: 400 });
    }
    expect((await fetch(node.http + POLL)).status).toBe(503);
  });

  test("I17: limits connections without a namespace separately from clients", async () => {
    const node = await startNode({ limits: { connections: 2 } });
    const idle = await handshakes(node, 1_024);
    expect((await fetch(node.http + POLL)).status).toBe(503);
    expect(await refusedUpgrade(node.ws + PATH)).toMatchObject({ status: 503 });
    await connect(`${node.ws}/ws`);
    const [first = "", second = ""] = idle.slice(-2);
    await post(first, "40");
    expect(await poll(first)).toMatch(/^40/);
    // A connect request is checked against the limit, too.
    await post(second, "40");
    expect(await poll(second)).toMatch(/^44.*"code":"unavailable"/);
    // Both connections without a namespace count again, so a new one is refused.
    await post(first, "41");
    expect((await fetch(node.http + POLL)).status).toBe(503);
    await post(second, "40");
    expect(await poll(second)).toMatch(/^40/);
    await post(first, "1");
    expect((await refusedUpgrade(node.ws + PATH)).status).toBe(503);
  });

  test("I12: ends the connection of a client that requests a namespace twice", async () => {
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

  test("I12: allows a new connect request after a refusal or a leave", async () => {
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

  test("I17: keeps nothing of a terminated connection, admitted or not", async () => {
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

test("I8: drops an answer that arrives after the client has disconnected", async () => {
  const rules = { anonymous: { permissions: { call: ["e"] } }, socketio: { calls: [{ event: "e", elevated: false }] } };
  const node = await startNode({ vhosts: { "/": rules } });
  const worker = await startWorker(node, ["*"]);
  const client = await connected(node);
  client.send('421["e"]');
  await worker.tasks.next();
  client.send("41");
  expect(await worker.cancelled.next()).toMatchObject({ taskId: expect.any(String) as string });
});
