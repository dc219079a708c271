import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { decodeJwt } from "jose";
import { configuredKey } from "../../../support/backends/backend.js";
import { connect } from "../../../support/clients/native.js";
import {
  ask,
  channelToken,
  connectionToken,
  enter,
  KEY,
  settle,
  startApplication,
  subscribe,
} from "../../../support/clients/rootsocket.js";
import type { TestNode } from "../../../support/nodes/node.js";

const CALLS = [
  ["POST", "connections"],
  ["GET", "connections"],
  ["POST", "tokens"],
  ["POST", "messages"],
] as const;

const BODY = { category: 1, channel: "test", data: "x" };

function call(node: TestNode, method: string, path: string, more: Parameters<typeof ask>[2] = {}) {
  return ask(node, path, { method, ...(method === "POST" ? { body: BODY } : {}), ...more });
}

test.each(CALLS)("S1: demands a bare key in Authorization for %s %s", async (method, path) => {
  const node = await startApplication();
  expect(await call(node, method, `${path}/`, { key: "" })).toMatchObject({
    status: 401,
    body: { detail: "missing key: expected Authorization: KEY" },
  });
  const wrong = { status: 401, body: { detail: "unknown or revoked key" } };
  for (const key of ["carillon_wrong", `Bearer ${KEY}`, `${KEY} x`, "Basic eDp5"]) {
    expect(await call(node, method, `${path}/`, { key })).toMatchObject(wrong);
  }
  expect((await call(node, method, `${path}/`)).status).toBe(method === "GET" ? 200 : 201);
});

test.each(CALLS)("S1: demands the key's action for %s %s", async (method, path) => {
  const needed = method === "GET" ? "connections" : path === "messages" ? "publish" : "tokens";
  const others = (["publish", "tokens", "connections"] as const).filter((action) => action !== needed);
  const node = await startApplication({
    vhosts: {
      "/": {
        keys: [
          configuredKey("carillon_able", { name: "able", actions: [needed] }),
          configuredKey("carillon_other", { name: "other", actions: others }),
        ],
      },
    },
  });
  expect((await call(node, method, path, { key: "carillon_able" })).status).toBe(method === "GET" ? 200 : 201);
  expect(await call(node, method, path, { key: "carillon_other" })).toMatchObject({
    status: 403,
    body: { detail: `key "other" lacks the action "${needed}"` },
  });
});

test("S1: limits a key to its vhost", async () => {
  const node = await startApplication({
    vhosts: { "/shop": { keys: [configuredKey("carillon_shop", { name: "shop", actions: ["*"] })] } },
  });
  const { body } = await ask(node, "connections/", { key: "carillon_shop" });
  expect(decodeJwt((body as { token: string }).token)["applicationIdentifier"]).toBe("/shop");
  const elsewhere = await ask(node, "connections/", { key: "carillon_shop", headers: { "carillon-vhost": "/" } });
  expect(elsewhere.status).toBe(403);
  await enter(node);
  expect(await ask(node, "connections/", { method: "GET", key: "carillon_shop" })).toMatchObject({ body: [] });
});

test.each(CALLS)("S2: serves %s %s with and without a final slash", async (method, path) => {
  const node = await startApplication();
  const expected = method === "GET" ? 200 : 201;
  expect((await call(node, method, `${path}/`)).status).toBe(expected);
  expect((await call(node, method, path)).status).toBe(expected);
});

test("S2: refuses other methods, and names the known ones", async () => {
  const node = await startApplication();
  const refused = await ask(node, "connections/", { method: "DELETE" });
  expect(refused).toMatchObject({ status: 405, body: { detail: "DELETE is not supported for this path" } });
  expect(refused.headers.get("allow")).toBe("GET, POST");
  expect(await ask(node, "tokens", { method: "GET" })).toMatchObject({ status: 405 });
  expect(await ask(node, "messages", { method: "PUT", body: BODY })).toMatchObject({ status: 405 });
});

test("S3: issues connection tokens with the claims that clients read", async () => {
  const node = await startApplication();
  const { body, status } = await ask(node, "connections/");
  expect(status).toBe(201);
  expect(Object.keys(body as object)).toEqual(["token"]);
  const claims = decodeJwt((body as { token: string }).token);
  expect(claims).toMatchObject({
    applicationIdentifier: "/",
    id: expect.stringMatching(/./) as string,
    category: "connect",
    allowClientSend: false,
    allowClientData: false,
    allowChannelSubscription: true,
    allowChannelAuthorization: true,
  });
  expect((claims.exp ?? 0) * 1_000 - Date.now()).toBeLessThanOrEqual(300_000);
  expect(decodeJwt(await connectionToken(node))["id"]).not.toBe(claims["id"]);
});

test("S3: writes the vhost's settings into connection tokens", async () => {
  const rootsocket = {
    allow_client_send: true,
    allow_channel_subscription: false,
    allow_channel_authorization: false,
  };
  const node = await startApplication({ vhosts: { "/": { rootsocket } } });
  expect(decodeJwt(await connectionToken(node))).toMatchObject({
    allowClientSend: true,
    allowClientData: true,
    allowChannelSubscription: false,
    allowChannelAuthorization: false,
  });
});

test("S4: limits a channel token to its channel", async () => {
  const node = await startApplication();
  const claims = decodeJwt(await channelToken(node, "test"));
  expect(claims).toMatchObject({ applicationIdentifier: "/", category: "channel", channel: "test" });
  expect((claims.exp ?? 0) * 1_000 - Date.now()).toBeLessThanOrEqual(300_000);
  expect((await ask(node, "tokens/", { body: { channel: "test" } })).status).toBe(201);
});

const BAD_CHANNELS = [
  [undefined, "channel is missing"],
  [7, "channel is not a string"],
  ["", "channel is empty"],
  ["a b", "channel is not 1 to 100 letters, digits and dots"],
  ["a".repeat(101), "channel is not 1 to 100 letters, digits and dots"],
  ["ping", "channel is reserved: it is an event type"],
] as const;

test.each(["tokens/", "messages/"])("S4, S7: refuses an invalid channel in %s, with the reason", async (path) => {
  const node = await startApplication();
  for (const [channel, detail] of BAD_CHANNELS) {
    const answer = await ask(node, path, { body: { category: 1, channel, data: "x" } });
    expect(answer).toMatchObject({ status: 400, body: { detail } });
  }
});

test.each(["tokens/", "messages/"])("S4, S7: refuses channels that the key may not use in %s", async (path) => {
  const key = configuredKey("carillon_scoped", { name: "scoped", actions: ["*"], topics: ["mine.*"] });
  const node = await startApplication({ vhosts: { "/": { keys: [key] } } });
  const about = (channel: string) =>
    ask(node, path, { key: "carillon_scoped", body: { category: 1, channel, data: "x" } });
  expect((await about("mine.a")).status).toBe(201);
  expect(await about("yours.a")).toMatchObject({
    status: 403,
    body: { detail: 'channel: key "scoped" is not permitted to use topic "yours.a"' },
  });
});

test("S4: refuses other categories of tokens", async () => {
  const node = await startApplication();
  for (const category of [0, 2, "1"]) {
    expect(await ask(node, "tokens/", { body: { category, channel: "test" } })).toMatchObject({
      status: 400,
      body: { detail: "category: expected 1 (a channel token)" },
    });
  }
});

test("S4, D9: issues a channel token without a category, or with null", async () => {
  const node = await startApplication();
  for (const category of [undefined, null]) {
    expect((await ask(node, "tokens/", { body: { category, channel: "test" } })).status).toBe(201);
  }
});

test.each(["tokens/", "messages/"])("S2: refuses a body other than a JSON object in %s", async (path) => {
  const node = await startApplication();
  for (const body of ["", "{", "\ufeff"]) {
    expect(await ask(node, path, { body })).toMatchObject({ status: 400, body: { detail: "the body is not JSON" } });
  }
  for (const body of ["[]", "null", '"x"']) {
    const detail = "the body is not a JSON object";
    expect(await ask(node, path, { body })).toMatchObject({ status: 400, body: { detail } });
  }
});

async function listener(node: TestNode) {
  const client = await enter(node);
  await subscribe(client, "test", await channelToken(node, "test"));
  return client;
}

test("S7: delivers strings as their characters, and other data as JSON text", async () => {
  const node = await startApplication();
  const client = await listener(node);
  const texts = [
    ["this is a test", "this is a test"],
    ["", ""],
    ["ü\n\u2028", "ü\n\u2028"],
    [{ a: [1, null] }, '{"a":[1,null]}'],
    [7, "7"],
    [null, "null"],
    [false, "false"],
  ] as const;
  for (const [data, raw] of texts) {
    const { body, status } = await ask(node, "messages/", { body: { channel: "test", data } });
    expect(status).toBe(201);
    expect(body).toEqual({ id: expect.stringMatching(/./) as string });
    expect(await client.nextText()).toBe(JSON.stringify({ event: "test", data: { raw } }));
  }
});

test("S7: delivers data other than a string as the text that was sent", async () => {
  const node = await startApplication();
  const client = await listener(node);
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const texts = ["1.10", "1E5", "-0", "123456789012345678901234567890", '{ "b":1, "1":2,"b":"\\ud800\\/" }', deep];
  for (const text of texts) {
    const body = `{"data":0,"channel":"test", "data" : ${text} }`;
    expect((await ask(node, "messages/", { body })).status).toBe(201);
    expect(JSON.parse(await client.nextText())).toEqual({ event: "test", data: { raw: text } });
  }
});

test("S7: counts messages as published by backends", async () => {
  const node = await startApplication();
  await ask(node, "messages/", { body: BODY });
  const metrics = await (await fetch(`${node.http}/metrics`)).text();
  expect(metrics).toMatch(/^carillon_publish_seconds_count 1$/m);
});

test("S7: refuses a message without data, or with invalid Unicode", async () => {
  const node = await startApplication({ limits: { payload: 1_000 } });
  const client = await listener(node);
  const send = (body: unknown) => ask(node, "messages/", { body });
  expect(await send({ channel: "test" })).toMatchObject({ status: 400, body: { detail: "data is missing" } });
  expect(await send('{"channel":"test","data":"a\\ud800"}')).toMatchObject({
    status: 400,
    body: { detail: "data is not valid Unicode" },
  });
  expect(await send({ channel: "test", data: "x".repeat(1_001) })).toMatchObject({
    status: 400,
    body: { detail: "data: 1001 bytes, the limit is 1000" },
  });
  await settle(client);
});

test("S7, S18: refuses a body larger than an event", async () => {
  const node = await startApplication();
  const detail = "the body is larger than 1048576 bytes";
  for (const length of [1_048_577, 16 * 1_048_576]) {
    const body = JSON.stringify({ channel: "test", data: "x".repeat(length) });
    expect(await ask(node, "messages/", { body })).toMatchObject({ status: 413, body: { detail } });
  }
  expect((await ask(node, "messages/", { body: BODY })).status).toBe(201);
});

test("S2: survives a request that is cut off", async () => {
  const node = await startApplication();
  const { hostname, port } = new URL(node.http);
  const socket = connectSocket(Number(port), hostname);
  await once(socket, "connect");
  socket.write(`POST /api/v1/messages/ HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: ${KEY}\r\n`);
  socket.end('content-length: 100\r\n\r\n{"channel":');
  socket.resume();
  await once(socket, "close");
  expect((await ask(node, "messages/", { body: BODY })).status).toBe(201);
});

test("S8: lists the application's connections of all protocols", async () => {
  const node = await startApplication({ vhosts: { "/": { rootsocket: { allow_client_send: true } }, "/shop": {} } });
  const begin = Date.now();
  const client = await enter(node);
  await subscribe(client, "test", await channelToken(node, "test"));
  client.send({ event: "test", data: { raw: "1" } });
  client.send({ event: "test", data: { raw: "2" } });
  await client.nextText();
  await client.nextText();
  await connect(`${node.ws}/ws`, { headers: { "user-agent": "native" } });
  await connect(`${node.ws}/ws/shop`);
  const { body, headers, status } = await ask(node, "connections/", { method: "GET" });
  expect(status).toBe(200);
  expect(headers.get("carillon-missing-nodes")).toBeNull();
  const list = body as { readonly identifier: string; readonly startedAt: string }[];
  expect(list).toHaveLength(2);
  expect(list.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1))).toMatchObject([
    { endedAt: null, ipAddress: "127.0.0.1", userAgent: "", messages: 2 },
    { endedAt: null, ipAddress: "127.0.0.1", userAgent: "native", messages: 0 },
  ]);
  for (const entry of list) {
    expect(Object.keys(entry)).toEqual(["identifier", "startedAt", "endedAt", "ipAddress", "userAgent", "messages"]);
    expect(entry.identifier).toMatch(/^[\da-f]{12}\.[\da-z]+$/);
    expect(new Date(entry.startedAt).toISOString()).toBe(entry.startedAt);
    expect(Date.parse(entry.startedAt)).toBeGreaterThanOrEqual(begin);
  }
});

test("S8: lists all pages", async () => {
  const node = await startApplication();
  const count = 1_010;
  for (let done = 0; done < count; done += 101) {
    await Promise.all(Array.from({ length: 101 }, () => connect(`${node.ws}/ws`)));
  }
  const { body } = await ask(node, "connections/", { method: "GET" });
  const ids = (body as { readonly identifier: string }[]).map(({ identifier }) => identifier);
  expect(new Set(ids).size).toBe(count);
  expect(ids).toHaveLength(count);
});

const ORIGIN = "https://app.example";

test.each(CALLS)("S10: answers pages of configured origins at %s %s", async (method, path) => {
  const node = await startApplication({ origins: [ORIGIN] });
  const good = await call(node, method, `${path}/`, { headers: { origin: ORIGIN } });
  expect(good.status).toBe(method === "GET" ? 200 : 201);
  expect(good.headers.get("access-control-allow-origin")).toBe(ORIGIN);
  expect(good.headers.get("vary")).toBe("origin");
  const refused = await call(node, method, `${path}/`, { headers: { origin: ORIGIN }, key: "" });
  expect(refused.status).toBe(401);
  expect(refused.headers.get("access-control-allow-origin")).toBe(ORIGIN);
  const other = await call(node, method, `${path}/`, { headers: { origin: "https://evil.example" } });
  expect(other).toMatchObject({ status: 403, body: { detail: "origin not allowed: https://evil.example" } });
  expect(other.headers.get("access-control-allow-origin")).toBeNull();
});

test("S10: answers a preflight without a key", async () => {
  const node = await startApplication({ origins: [ORIGIN] });
  const headers = {
    origin: ORIGIN,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-csrf",
  };
  const answer = await ask(node, "connections/", { method: "OPTIONS", key: "", headers });
  expect(answer).toMatchObject({ status: 204, text: "" });
  expect(answer.headers.get("access-control-allow-origin")).toBe(ORIGIN);
  expect(answer.headers.get("access-control-allow-methods")).toBe("GET, POST");
  expect(answer.headers.get("access-control-allow-headers")).toBe("authorization,content-type,x-csrf");
  const evil = { ...headers, origin: "https://evil.example" };
  expect((await ask(node, "connections/", { method: "OPTIONS", key: "", headers: evil })).status).toBe(403);
});
