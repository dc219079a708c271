import { once } from "node:events";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";
import { command, connectRaw, upgradeRequest } from "../../support/raw/client.js";

const GET = (target: string, ...headers: string[]): string =>
  `${[`GET ${target} HTTP/1.1`, "Host: test", ...headers].join("\r\n")}\r\n\r\n`;

const MANY_HEADERS = Array.from({ length: 3_000 }, (_, number) => `X-${number}: x`);
const LEAVE = { command: "leave", topics: ["foo"] };
const LEFT = { topic: "@leave", payload: ["foo"] };
const RPC = "/websockets.v1.BroadcastService/Publish";

test.each([
  ["an unknown path", GET("/nowhere"), 404],
  ["a method that the page does not support", "DELETE / HTTP/1.1\r\nHost: test\r\n\r\n", 405],
  ["a path that begins with two slashes", GET("//host/ws"), 404],
  ["only two slashes", GET("//"), 404],
  ["a path with a bad escape", GET("/%zz%"), 404],
  ["a path outside the root", GET("/../../etc/passwd"), 400],
  ["a path with backslashes", GET("/\\..\\..\\etc\\passwd"), 400],
  ["a target that is a URL", GET("http://x/ws"), 400],
  ["a target that is an asterisk", "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n", 400],
  ["a target with bytes beyond ASCII", GET("/\u00ff\u00fe"), 400],
  ["an upgrade on a path with two slashes", upgradeRequest("//host/ws"), 404],
  ["an upgrade to a URL", upgradeRequest("http://x/ws"), 400],
  ["an upgrade on /healthz", upgradeRequest("/healthz"), 404],
  ["an upgrade on the path of an RPC", upgradeRequest(RPC), 404],
  ["an upgrade on a path similar to a valid one", upgradeRequest("/ws/"), 404],
  ["an upgrade by POST", upgradeRequest("/ws", { "Content-Length": "0" }, "POST"), 405],
  ["an upgrade without a key", upgradeRequest("/ws", { "Sec-WebSocket-Key": undefined }), 400],
  ["an upgrade with a bad key", upgradeRequest("/ws", { "Sec-WebSocket-Key": "short" }), 400],
  ["an upgrade without a version", upgradeRequest("/ws", { "Sec-WebSocket-Version": undefined }), 400],
  ["an upgrade with another version", upgradeRequest("/ws", { "Sec-WebSocket-Version": "99" }), 400],
  ["an upgrade with a bad subprotocol", upgradeRequest("/ws", { "Sec-WebSocket-Protocol": "a,,b" }), 400],
  ["an upgrade to another protocol", upgradeRequest("/nowhere", { Upgrade: "irc/6.9" }), 404],
  ["an upgrade to several protocols", upgradeRequest("/ws", { Upgrade: "h2c, websocket" }), 426],
  ["garbage", "\u0000\u0001garbage\r\n\r\n", 400],
  ["a TLS ClientHello", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003", 400],
  ["a bad header", "GET / HTTP/1.1\r\nHost: test\r\nbad header\r\n\r\n", 400],
  ["two lengths", `POST ${RPC} HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400],
  ["an invalid host", "GET /healthz HTTP/1.1\r\nHost: test:80@evil.example\r\n\r\n", 400],
  ["an upgrade with an invalid host", upgradeRequest("/ws", { Host: "test:80:80" }), 400],
  ["no host", "GET /nowhere HTTP/1.1\r\n\r\n", 400],
  ["a header of 100 KB", GET("/", `X: ${"x".repeat(100_000)}`), 431],
  ["a target of 100 KB", GET(`/${"x".repeat(100_000)}`), 431],
  ["3,000 headers", GET("/", ...MANY_HEADERS), 431],
])("O8: answers %s with an error status and serves others", async (_, request, status) => {
  const node = await startNode();
  const witness = await connect(`${node.ws}/ws`);
  const client = await connectRaw(node.http);
  client.send(Buffer.from(request, "latin1"));
  expect((await client.response()).status).toBe(status);
  await witness.join("foo");
});

test.each([
  ["CONNECT", "CONNECT host:1 HTTP/1.1\r\nHost: host:1\r\n\r\n"],
  ["the HTTP/2 preface without an upgrade", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
])("O8: closes the connection on %s", async (_, request) => {
  const node = await startNode();
  const client = await connectRaw(node.http);
  client.send(request);
  await client.ended();
  expect((await fetch(`${node.http}/healthz`)).status).toBe(200);
});

test("O8: answers unknown paths with 404 as JSON", async () => {
  const node = await startNode();
  const response = await fetch(`${node.http}/nowhere?secret=1`);
  expect(response.status).toBe(404);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.json()).toEqual({ code: "not_found", message: "not found: /nowhere" });
  const client = await connectRaw(node.http);
  client.send(upgradeRequest("/nowhere"));
  const refusal = await client.response();
  expect(JSON.parse(refusal.body)).toEqual({ code: "not_found", message: "no WebSocket endpoint at /nowhere" });
  await client.ended();
});

test("O8: answers a request that offers h2c over HTTP/1.1 and keeps the connection", async () => {
  const node = await startNode();
  const client = await connectRaw(node.http);
  const body = '{"messages":[]}';
  const h2c = [
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA",
  ];
  const head = [
    `POST ${RPC} HTTP/1.1`,
    "Host: test",
    "Content-Type: application/json",
    ...h2c,
    `Content-Length: ${body.length}`,
  ];
  client.send(`${head.join("\r\n")}\r\n\r\n`, body.slice(0, 4));
  client.send(body.slice(4));
  const answer = await client.response();
  expect([answer.status, answer.body]).toEqual([200, '{"ok":true}']);
  client.send(GET("/healthz", ...h2c), GET("/healthz"));
  expect((await client.response()).body).toBe("ok\n");
  expect((await client.response()).body).toBe("ok\n");
  client.send(upgradeRequest());
  expect((await client.response()).status).toBe(101);
  await client.join("foo");
});

test("O8: survives an upgrade pipelined after a request on the same connection", async () => {
  const node = await startNode();
  const witness = await connect(`${node.ws}/ws`);
  const body = '{"messages":[]}';
  const call = `POST ${RPC} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const client = await connectRaw(node.http);
  client.send(call, upgradeRequest(), command({ command: "join", topics: ["foo"] }));
  // Responses to such a client are unspecified: the answer of the call may arrive between its frames.
  await once(client.socket, "data");
  client.socket.resetAndDestroy();
  await client.gone;
  expect(await witness.ask(LEAVE)).toEqual(LEFT);
});

test("O8: accepts upgrades with any query", async () => {
  const node = await startNode();
  for (const query of ["?", "?meta", "?meta=1&meta=2", "?%zz", "?=&&==", `?${"x".repeat(5_000)}`]) {
    const client = await connectRaw(node.http);
    client.send(upgradeRequest(`/ws${query}`));
    expect((await client.response()).status).toBe(101);
  }
});

test("O8: survives connections that end at any point", async () => {
  const node = await startNode();
  const witness = await connect(`${node.ws}/ws`);
  for (const request of [upgradeRequest(), upgradeRequest("/nowhere"), GET("/metrics"), GET("/")]) {
    for (const end of [request.length, request.length - 1, 10, 1]) {
      const client = await connectRaw(node.http);
      client.send(request.slice(0, end));
      client.socket.resetAndDestroy();
      await client.gone;
    }
  }
  expect(await witness.ask(LEAVE)).toEqual(LEFT);
});
