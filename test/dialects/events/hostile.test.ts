import { spawn } from "node:child_process";
import { once } from "node:events";
import { publish, say } from "../../support/backends/publish.js";
import { cleanUp } from "../../support/clean-up.js";
import { openStream } from "../../support/clients/event-stream.js";
import { metric, untilMetric, untilNone } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { connectRaw, type RawClient, upgradeRequest } from "../../support/raw/client.js";

const STREAMS = "carillon_connections";

function request(path = "/events?topic=foo", { headers = "", method = "GET", version = "1.1" } = {}): string {
  return `${method} ${path} HTTP/${version}\r\nHost: test\r\n${headers}\r\n`;
}

/** Reads from a connection until a text arrives. Returns everything read. */
async function readUntil(client: RawClient, text: string): Promise<string> {
  let read = "";
  while (!read.includes(text)) read += (await client.bytes(1)).toString("latin1");
  return read;
}

/** Opens a stream, and reads its head and first block. */
async function openRawStream(node: TestNode, ...behind: string[]): Promise<RawClient> {
  const client = await connectRaw(node.http);
  client.send(request(), ...behind);
  await readUntil(client, "retry: 3000\n\n");
  return client;
}

test.each(["HEAD", "POST", "PUT", "DELETE"])("V14: refuses %s with the allowed methods", async (method) => {
  const node = await startNode();
  const response = await fetch(`${node.http}/events?topic=foo`, { method });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, OPTIONS"]);
  expect(await metric(node, STREAMS)).toBe(0);
});

test("V1: streams to clients of HTTP/1.0", async () => {
  const node = await startNode();
  const client = await connectRaw(node.http);
  client.send("GET /events?topic=foo HTTP/1.0\r\n\r\n");
  const head = await readUntil(client, "retry: 3000\n\n");
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(head).not.toMatch(/chunked/i);
  await say(node, "foo", "hello");
  expect(await readUntil(client, "\n\n")).toBe("data: hello\n\n");
});

test("V14: refuses a stream behind an unanswered request, and a request with a body", async () => {
  const node = await startNode();
  const client = await connectRaw(node.http);
  const rpc =
    "POST /websockets.v1.BroadcastService/Publish HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
  client.send(`${rpc}Content-Length: 15\r\n\r\n{"messages":[]}`, request());
  expect((await client.response()).status).toBe(200);
  expect((await client.response()).status).toBe(400);
  const other = await connectRaw(node.http);
  other.send(`${request(undefined, { headers: "Content-Length: 1\r\n" })}x`);
  expect(await other.response()).toMatchObject({ status: 400, body: expect.stringMatching(/the request has a body/) });
  other.send(request(undefined, { headers: "Transfer-Encoding: chunked\r\n" }), "0\r\n\r\n");
  expect((await other.response()).status).toBe(400);
  // The connection stays usable for a request that is valid.
  other.send(request());
  await readUntil(other, "retry: 3000\n\n");
});

test.each([
  ["a request", request("/healthz")],
  ["a stream", request()],
  ["an upgrade", upgradeRequest("/ws")],
  ["bytes that are no request", "\0\0\r\n\r\n"],
])("V14: cuts a stream's connection on which %s follows", async (_title, behind) => {
  const node = await startNode();
  const client = await openRawStream(node);
  client.send(behind);
  await client.gone;
  await untilNone(node, STREAMS);
  const pipelined = await connectRaw(node.http);
  pipelined.send(request(), behind.repeat(3));
  await pipelined.gone;
  await untilNone(node, STREAMS);
  expect((await fetch(`${node.http}/healthz`)).status).toBe(200);
});

test("V14: refuses WebSocket upgrades on the path of streams", async () => {
  const node = await startNode();
  const client = await connectRaw(node.http);
  client.send(upgradeRequest("/events?topic=foo"));
  expect(await client.response()).toMatchObject({
    status: 404,
    body: expect.stringMatching(/no WebSocket at \/events/),
  });
});

test("V14: ignores an offered upgrade to HTTP/2", async () => {
  const node = await startNode();
  const client = await connectRaw(node.http);
  client.send(request(undefined, { headers: "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" }));
  expect(await readUntil(client, "retry: 3000\n\n")).toMatch(/^HTTP\/1\.1 200 OK/);
});

test("V14, L2: refuses a head that is too large, and serves others", async () => {
  const node = await startNode();
  const client = await connectRaw(node.http);
  client.send(request(`/events?topic=foo&last_event_id=${"x".repeat(20_000)}`));
  expect((await client.response()).status).toBe(431);
  await openRawStream(node);
});

test("V9: ends a stream whose client has closed its side", async () => {
  const node = await startNode();
  const client = await connectRaw(node.http, { allowHalfOpen: true });
  client.send(request());
  await readUntil(client, "retry: 3000\n\n");
  client.socket.end();
  await client.ended();
  await untilNone(node, STREAMS);
  expect(await metric(node, 'carillon_connections_closed_total{code="1006"}')).toBe(1);
});

test("V12, L6: disconnects a client that does not read, and delays no other", async () => {
  const node = await startNode({ limits: { outbox: "64KiB" } });
  const slow = await openRawStream(node);
  slow.socket.pause();
  const reader = await openStream(`${node.http}/events?topic=foo`);
  const payload = "x".repeat(64 * 1_024);
  let sent = 0;
  while ((await metric(node, STREAMS)) === 2) {
    await publish(node, [{ topics: ["foo"], payload }]);
    expect((await reader.next()).data).toBe(payload);
    sent += 1;
  }
  expect(sent).toBeGreaterThan(1);
  await untilMetric(node, 'carillon_connections_closed_total{code="1013"}', 1);
  await say(node, "foo", "still here");
  expect((await reader.next()).data).toBe("still here");
});

test("V11, L6: tells a slow client how many messages its topic's policy has dropped", async () => {
  const node = await startNode({
    limits: { outbox: "64KiB" },
    vhosts: { "/": { topics: [{ match: "foo", slow_consumer: "drop_oldest" }] } },
  });
  const slow = await openRawStream(node);
  slow.socket.pause();
  const dropped = 'carillon_drops_total{reason="drop_oldest"}';
  const payload = "x".repeat(64 * 1_024);
  while ((await metric(node, dropped)) === 0) await publish(node, [{ topics: ["foo"], payload }]);
  await say(node, "foo", "last");
  const chunks: Buffer[] = [];
  slow.socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  slow.socket.resume();
  while (chunks.at(-1)?.includes("data: last\n\n") !== true) await once(slow.socket, "data");
  const text = Buffer.concat(chunks).toString();
  expect(text).toMatch(/event: carillon\.lagged\ndata: \{"topic":"foo","missed":\d+\}\n\n/);
});

test("V3: sends a payload of line ends without delaying the node, as base64 if there are very many", async () => {
  const node = await startNode();
  const stream = await openStream(`${node.http}/events?topic=foo`);
  await publish(node, [{ topics: ["foo"], payload: "\r\n".repeat(30_000) }]);
  expect((await stream.next()).data).toBe("\n".repeat(30_000));
  await publish(node, [{ topics: ["foo"], payload: "\n".repeat(65_537) }]);
  expect((await stream.next()).data).toMatch(/^data:application\/octet-stream;base64,CgoKCgoK/);
});

test("V1: is read by curl", async () => {
  const node = await startNode();
  const curl = spawn("curl", ["-sN", "--http1.1", `${node.http}/events?topic=foo`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  cleanUp(() => {
    curl.kill();
  });
  let text = "";
  const reads = async (wanted: string): Promise<void> => {
    while (!text.includes(wanted)) text += String((await once(curl.stdout, "data"))[0]);
  };
  await reads("retry: 3000\n\n");
  await say(node, "foo", "hello");
  await reads("data: hello\n\n");
  expect(text).toBe("retry: 3000\n\ndata: hello\n\n");
});
