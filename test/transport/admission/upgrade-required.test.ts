import { startNode } from "../../support/nodes/node.js";
import { connectRaw, upgradeRequest } from "../../support/raw/client.js";

const TOKEN_PATH = "/api/v1/ws/token/";
const SOCKET_IO = "/socket.io/?EIO=4&transport=websocket";

const LACKS = "WebSocket upgrade required: the request lacks ";
const FORWARD = "; a proxy in between must forward them";
const ALL = "Upgrade: websocket, Connection: Upgrade, Sec-WebSocket-Key, Sec-WebSocket-Version: 13";

test.each(["/ws", "/ws/shop", "/broadcaster/websocket", TOKEN_PATH, "/webrocket/shop", SOCKET_IO, "/ws?token=x"])(
  "L14: answers GET of the WebSocket path %s without an upgrade with 426",
  async (path) => {
    const node = await startNode({ vhosts: { "/shop": {} } });
    const response = await fetch(node.http + path);
    expect(response.status).toBe(426);
    expect(response.headers.get("upgrade")).toBe("websocket");
    expect(response.headers.get("connection")).toBe("upgrade");
    expect(await response.json()).toEqual({ code: "failed_precondition", message: LACKS + ALL + FORWARD });
  },
);

test.each([
  ["Upgrade: websocket", { Upgrade: undefined }],
  ["Upgrade: websocket", { Upgrade: "h2c" }],
  ["Connection: Upgrade", { Connection: undefined }],
  ["Connection: Upgrade", { Connection: "keep-alive" }],
  ["Upgrade: websocket, Connection: Upgrade", { Upgrade: undefined, Connection: "close" }],
  ["Upgrade: websocket, Sec-WebSocket-Key", { Upgrade: undefined, "Sec-WebSocket-Key": undefined }],
])("L14: names the headers that a proxy has dropped: %s", async (missing, headers) => {
  const node = await startNode();
  for (const path of ["/ws", SOCKET_IO]) {
    const client = await connectRaw(node.http);
    client.send(upgradeRequest(path, headers));
    const { body, status } = await client.response();
    expect(status).toBe(426);
    expect(JSON.parse(body)).toMatchObject({ message: LACKS + missing + FORWARD });
  }
});

test("L14: answers other methods with 405, and other paths with 404", async () => {
  const node = await startNode();
  expect((await fetch(`${node.http}/ws`, { method: "HEAD" })).status).toBe(426);
  const posted = await fetch(`${node.http}/ws`, { method: "POST", body: "x" });
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET"]);
  const client = await connectRaw(node.http);
  client.send(upgradeRequest("/ws", {}, "POST"));
  const { body, headers, status } = await client.response();
  expect([status, headers.get("allow")]).toEqual([405, "GET"]);
  expect(JSON.parse(body)).toMatchObject({ message: "method POST not allowed; allowed: GET" });
  for (const path of ["/ws/unknown", "/ws/", "/wsx", "/webrocket/unknown", "/broadcaster/websocketx"]) {
    expect((await fetch(node.http + path)).status).toBe(404);
  }
});

test("L14: keeps the connection open for a later upgrade", async () => {
  const node = await startNode();
  const client = await connectRaw(node.http);
  client.send("GET /ws HTTP/1.1\r\nHost: test\r\n\r\n");
  expect((await client.response()).status).toBe(426);
  await client.upgrade("/ws");
  await client.join("foo");
});
