import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import type { OnConnectRequest } from "../../../gen/carillon/v1/hook_pb.js";
import { SECRET, signed } from "../../access/jwts.js";
import { jwt, token } from "../../commands/support.js";
import { allowAtEnd, jsonBackend, nextHookCall } from "../../outbound/hooks/backend.js";
import { TestBackend } from "../../support/backends/backend.js";
import { publish, say } from "../../support/backends/publish.js";
import { openStream, refusedStream, type TestStream } from "../../support/clients/event-stream.js";
import { connect } from "../../support/clients/native.js";
import { metric, untilMetric, untilNone } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const STREAMS = "carillon_connections";
const PRIVATE = { jwt, topics: [{ match: "staff", access: "private" as const }] };

/** Opens a stream and reads its first block. */
async function begin(node: TestNode, query: string, headers = {}): Promise<TestStream> {
  const stream = await openStream(`${node.http}/events?${query}`, headers);
  await stream.begun();
  return stream;
}

test("V1: answers with a stream that no proxy keeps, compresses or delays", async () => {
  const node = await startNode();
  const stream = await openStream(`${node.http}/events?topic=foo`, { "accept-encoding": "gzip" });
  expect(stream.response.headers).toMatchObject({
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    connection: "close",
  });
  expect(stream.response.headers).not.toHaveProperty("transfer-encoding");
  expect(stream.response.headers).not.toHaveProperty("content-encoding");
});

test("V1: serves each vhost at its path, and no unknown one", async () => {
  const node = await startNode({ vhosts: { "/": {}, "/shop": {} } });
  const shop = await openStream(`${node.http}/events/shop?topic=foo`);
  await shop.begun();
  await say(node, "foo", "not this one");
  await publish(node, [{ topics: ["foo"], payload: "hello" }], "Publish", { "carillon-vhost": "/shop" });
  expect((await shop.next()).data).toBe("hello");
  expect((await refusedStream(`${node.http}/events/none?topic=foo`)).status).toBe(404);
  expect((await refusedStream(`${node.http}/events/?topic=foo`)).status).toBe(404);
});

test("V1: takes another path from the configuration", async () => {
  const node = await startNode({ events: { base: "/api/stream" } });
  await (await openStream(`${node.http}/api/stream?topic=foo`)).begun();
  expect((await refusedStream(`${node.http}/events?topic=foo`)).status).toBe(404);
});

test.each([
  ["", "topic: at least one is required, as in ?topic=news"],
  ["topic=", "topics[0] is empty"],
  ["topic=foo&topic=%24user.eve", "topics[1] begins with a reserved character (@, # or $)"],
  ["topic=foo&rewind=1001", "rewind: not an integer from 0 to 1000"],
  ["topic=foo&rewind=-1", "rewind: not an integer from 0 to 1000"],
  ["topic=foo&rewind=1&rewind=2", "rewind: more than one"],
  ["topic=foo&since=yesterday", "since: not a time in RFC 3339"],
  ["topic=foo&hidden=yes", "hidden: neither 0 nor 1"],
  ["topic=foo&meta=2", "meta: neither 0 nor 1"],
  ["topic=foo&meta=1&meta=1", "meta: more than one"],
  ["topic=%ff", "the query has invalid percent-encoding"],
])("V2, V10: refuses the query %j", async (query, message) => {
  const node = await startNode();
  const { body, status } = await refusedStream(`${node.http}/events?${query}`);
  expect([status, JSON.parse(body)]).toEqual([400, { code: "invalid_argument", message }]);
  await untilNone(node, STREAMS);
});

test("V2, V10: refuses an unknown broker, and more topics than the limit", async () => {
  const node = await startNode({ limits: { topics_per_connection: 2 } });
  expect((await refusedStream(`${node.http}/events?topic=foo&broker=none`)).status).toBe(404);
  expect((await refusedStream(`${node.http}/events?topic=a&topic=b&topic=c`)).status).toBe(429);
  await begin(node, "topic=a&topic=b&broker=memory&unknown=1");
});

test("V9, V10: takes tokens from the header, the cookie and the query, and refuses others", async () => {
  const credentials = { header: true, cookie: "session", query: true };
  const node = await startNode({ vhosts: { "/": { ...PRIVATE, credentials } } });
  const eve = await token({ sub: "eve", permissions: { join: ["staff"] } });
  await begin(node, "topic=staff", { authorization: `Bearer ${eve}` });
  await begin(node, "topic=staff", { cookie: `session=${eve}` });
  await begin(node, `topic=staff&token=${eve}`);
  expect((await refusedStream(`${node.http}/events?topic=staff`)).status).toBe(403);
  const invalid = await refusedStream(`${node.http}/events?topic=staff&token=x`);
  expect([invalid.status, invalid.headers["www-authenticate"]]).toEqual([401, "Bearer"]);
  await untilMetric(node, STREAMS, 3);
});

test("V9, V13, A5: ends the stream when its token expires", async () => {
  const node = await startNode({ vhosts: { "/": PRIVATE } });
  const exp = Math.floor(Date.now() / 1_000) + 6;
  const text = await signed(SECRET, "HS256", { sub: "eve", exp });
  const stream = await begin(node, "topic=foo", { authorization: `Bearer ${text}` });
  expect(await stream.next()).toMatchObject({
    event: "carillon.close",
    data: '{"code":4401,"reason":"token expired: connect with a new one"}',
  });
  await stream.closed;
});

test("V9: counts streams in the vhost's limits, and refuses those beyond with Retry-After where it helps", async () => {
  const node = await startNode({
    vhosts: { "/": { limits: { connections: 1 } }, "/rare": { limits: { handshakes_per_second: 1 } } },
  });
  const first = await begin(node, "topic=foo");
  expect((await refusedStream(`${node.http}/events?topic=foo`)).status).toBe(429);
  first.response.destroy();
  await untilNone(node, STREAMS);
  await begin(node, "topic=foo");
  let answer = await refusedStream(`${node.http}/events/rare?topic=@`);
  while (answer.status === 400) answer = await refusedStream(`${node.http}/events/rare?topic=@`);
  expect([answer.status, answer.headers["retry-after"]]).toEqual([429, "1"]);
});

test("V9: counts streams in the node's limit, together with WebSockets", async () => {
  const node = await startNode({ limits: { connections: 2 } });
  await connect(`${node.ws}/ws`);
  await begin(node, "topic=foo");
  expect(await refusedStream(`${node.http}/events?topic=foo`)).toMatchObject({ status: 503 });
});

test("V9, V10, A9: asks the connect hook, and passes on its answer", async () => {
  const backend = await jsonBackend();
  const node = await startNode({
    vhosts: { "/": { hooks: { url: backend.url, events: ["connect", "join"], timeout: "8s" } } },
  });
  allowAtEnd(backend);
  const refused = refusedStream(`${node.http}/events?topic=foo`);
  const call = await nextHookCall(backend, "OnConnect");
  expect((call.request as OnConnectRequest).client?.dialect).toBe("events");
  expect((call.request as OnConnectRequest).uri).toBe("/events?topic=foo");
  call.answer({ refuse: { status: 418 } });
  expect((await refused).status).toBe(418);
  const opened = openStream(`${node.http}/events?topic=foo`);
  (await nextHookCall(backend, "OnConnect")).answer({ allow: { topics: ["extra"] } });
  (await nextHookCall(backend, "OnJoin")).answer({ allow: {} });
  const stream = await opened;
  await stream.begun();
  // The topic of the hook may have been joined before the stream began. Its notice waited.
  expect(await stream.next()).toMatchObject({ event: "carillon.joined", data: '["extra"]' });
  await say(node, "extra", "hello");
  expect((await stream.next()).data).toBe("hello");
});

test("V9: releases a client that disconnects while the hook decides", async () => {
  const backend = await jsonBackend();
  const node = await startNode({
    vhosts: { "/": { hooks: { url: backend.url, events: ["connect"], timeout: "8s" }, limits: { connections: 1 } } },
  });
  allowAtEnd(backend);
  const controller = new AbortController();
  const gone = fetch(`${node.http}/events?topic=foo`, { signal: controller.signal }).catch((error: unknown) => error);
  const call = await nextHookCall(backend, "OnConnect");
  controller.abort();
  await gone;
  call.answer({ allow: {} });
  const opened = openStream(`${node.http}/events?topic=foo`);
  // The first client may still be counted until its connection has ended: then there is no call.
  (await nextHookCall(backend, "OnConnect")).answer({ allow: {} });
  expect(await (await opened).begun()).toBe("");
});

test("V9, V11: lists streams, and lets the control service join, remove and disconnect them", async () => {
  const node = await startNode();
  const stream = await begin(node, "topic=foo");
  const backend = new TestBackend(node);
  const { method } = ControlService;
  const { connections } = await backend.call(method.listConnections, { topic: "foo" });
  expect(connections).toMatchObject([{ dialect: "events" }]);
  const target = { target: { case: "connectionId" as const, value: connections[0]?.id ?? "" } };
  await backend.call(method.subscribe, { target, topics: ["bar"] });
  expect(await stream.next()).toMatchObject({ event: "carillon.joined", data: '["bar"]' });
  await backend.call(method.unsubscribe, { target, topics: ["foo"] });
  expect(await stream.next()).toMatchObject({ event: "carillon.left", data: '["foo"]' });
  await say(node, "foo", "not this one");
  await say(node, "bar", "this one");
  expect((await stream.next()).data).toBe("this one");
  await say(node, `$connection.${connections[0]?.id}`, "personal");
  expect((await stream.next()).data).toBe("personal");
  await backend.call(method.disconnect, { target });
  expect(await stream.next()).toMatchObject({
    event: "carillon.close",
    data: '{"code":4403,"reason":"disconnected by the backend"}',
  });
  await stream.closed;
  await untilMetric(node, 'carillon_connections_closed_total{code="4403"}', 1);
});

test("V9: shows streams in presence, unless they are hidden", async () => {
  const node = await startNode({ vhosts: { "/": { jwt, topics: [{ match: "foo", presence: true }] } } });
  const headers = { authorization: `Bearer ${await token({ sub: "eve" })}` };
  await begin(node, "topic=foo", headers);
  await begin(node, "topic=foo&hidden=1", headers);
  const { members } = await presenceOf(node);
  expect(members.map(({ user }) => user)).toEqual(["eve"]);
});

async function presenceOf(node: TestNode): Promise<{ readonly members: readonly { readonly user: string }[] }> {
  const claims = { sub: "adam", permissions: { presence: ["foo"] } };
  const client = await connect(`${node.ws}/ws`, { headers: { authorization: `Bearer ${await token(claims)}` } });
  return (await client.ask({ command: "presence", topics: ["foo"] })).payload as Awaited<ReturnType<typeof presenceOf>>;
}

test("V12: sends comments while nothing else is sent", async () => {
  const node = await startNode({ ping: { interval: "500ms", timeout: "100ms" } });
  const stream = await begin(node, "topic=foo");
  expect(await stream.nextBlock()).toBe(":");
  expect(await stream.nextBlock()).toBe(":");
});

test("V13, L7: sends earlier messages, then tells its clients when to return, and ends", async () => {
  const node = await startNode({ stop_timeout: "10m" });
  const stream = await begin(node, "topic=foo");
  const payloads = Array.from({ length: 100 }, (_, number) => String(number));
  await publish(
    node,
    payloads.map((payload) => ({ topics: ["foo"], payload })),
    "PublishAsync",
  );
  await node.carillon.stop();
  for (const payload of payloads) expect((await stream.next()).data).toBe(payload);
  expect(await stream.next()).toMatchObject({
    event: "carillon.close",
    data: '{"code":1012,"reason":"service restart, retry after 1-10 s"}',
  });
  expect(Number(stream.retry)).toBeGreaterThanOrEqual(1_000);
  expect(Number(stream.retry)).toBeLessThan(10_000);
  await stream.closed;
});

test("V9: counts messages and closed streams in the metrics", async () => {
  const node = await startNode();
  const stream = await begin(node, "topic=foo");
  await say(node, "foo", "x");
  await stream.next();
  expect(await metric(node, STREAMS)).toBe(1);
  stream.response.destroy();
  await untilNone(node, STREAMS);
  await untilMetric(node, 'carillon_connections_closed_total{code="1006"}', 1);
});

test("V9, L1: lets pages of allowed origins open a stream with credentials, and no others", async () => {
  const node = await startNode({ origins: ["https://app.test"] });
  const url = `${node.http}/events?topic=foo`;
  const stream = await openStream(url, { origin: "https://app.test" });
  expect(stream.response.headers).toMatchObject({
    "access-control-allow-origin": "https://app.test",
    "access-control-allow-credentials": "true",
    vary: "origin",
  });
  expect((await refusedStream(url, { origin: "https://other.test" })).status).toBe(403);
  const preflight = await fetch(url, {
    method: "OPTIONS",
    headers: { origin: "https://app.test", "access-control-request-headers": "last-event-id" },
  });
  expect([preflight.status, preflight.headers.get("access-control-allow-headers")]).toEqual([204, "last-event-id"]);
});
