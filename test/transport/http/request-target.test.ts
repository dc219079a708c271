import { startNode, type TestNode } from "../../support/nodes/node.js";
import { connectRaw, upgradeRequest } from "../../support/raw/client.js";

const COOKIE = "a cookie of the admin interface";

/** Paths that another parser may read as `/metrics` or as a path of another vhost. */
const AMBIGUOUS = [
  "/x\\..\\metrics",
  "\\metrics",
  "/\\metrics",
  "/x/../metrics",
  "/./metrics",
  "/metrics/.",
  "/x/%2e%2e/metrics",
  "/x/%2E%2E/metrics",
  "/x/.%2e/metrics",
  "/x/%2E./metrics",
  "/%2e/metrics",
  "/x/..;/metrics",
  "/x/..?/metrics",
  "/x%5c..%5cmetrics",
  "/x%5C..%5Cmetrics",
  "/metrics#x",
  "/metr\tics",
  "/ws\\shop",
  "/ws/./shop",
  "/ws/x/%2e%2e/shop",
  "/socket.io/%2e%2e/metrics",
  "/socket.io\\",
  "/websockets.v1.BroadcastService/%2e%2e/metrics",
  "/websockets.v1.BroadcastService\\Publish",
  "/api/v1/x/../connections/",
  "/broadcaster/%2e/publish",
  "http://127.0.0.1/metrics",
  "http://127.0.0.1/x/../metrics",
  "//127.0.0.1/../metrics",
] as const;

/** Starts a node with every HTTP port. */
function startPorts(): Promise<TestNode> {
  return startNode({
    admin: { listen: "127.0.0.1:0" },
    webrocket: { admin: { listen: "127.0.0.1:0", cookie: COOKIE } },
    vhosts: { "/shop": {} },
  });
}

async function statusOf(url: string, request: string): Promise<number> {
  const client = await connectRaw(url);
  client.send(request);
  const { status } = await client.response();
  client.socket.destroy();
  return status;
}

test("L13: refuses ambiguous paths on every HTTP port, with and without an upgrade", async () => {
  const { carillon, http } = await startPorts();
  const { admin = "", webrocketAdmin = "" } = carillon.addresses ?? {};
  for (const target of AMBIGUOUS) {
    for (const url of [http, admin, webrocketAdmin]) {
      for (const method of ["GET", "POST", "OPTIONS"]) {
        const head = `${method} ${target} HTTP/1.1\r\nHost: test\r\nX-WebRocket-Cookie: ${COOKIE}\r\nContent-Length: 0\r\n\r\n`;
        expect([target, await statusOf(url, head)]).toEqual([target, 400]);
      }
      expect([target, await statusOf(url, upgradeRequest(target))]).toEqual([target, 400]);
    }
  }
  expect(await statusOf(http, upgradeRequest("/ws/shop"))).toBe(101);
});

test("L13: says what is wrong with a refused target", async () => {
  const node = await startNode();
  for (const [target, reason] of [
    ["/x\\metrics", "has a backslash in its path"],
    ["/x/%2e%2e/metrics", "has a dot segment in its path"],
    ["/metrics#x", "is not a path"],
  ]) {
    const client = await connectRaw(node.http);
    client.send(`GET ${target} HTTP/1.1\r\nHost: test\r\n\r\n`);
    const { body } = await client.response();
    expect(JSON.parse(body)).toEqual({ code: "invalid_argument", message: `the request target ${reason}` });
  }
});

test("L13: accepts dots and backslashes where they are unambiguous", async () => {
  const node = await startNode();
  for (const target of ["/healthz?x=..\\..&y=/../", "/healthz?/./"]) {
    expect(await statusOf(node.http, `GET ${target} HTTP/1.1\r\nHost: test\r\n\r\n`)).toBe(200);
  }
  for (const target of ["/...", "/a..b", "/x/..%2fmetrics", "/.well-known/x"]) {
    expect(await statusOf(node.http, `GET ${target} HTTP/1.1\r\nHost: test\r\n\r\n`)).toBe(404);
  }
});
