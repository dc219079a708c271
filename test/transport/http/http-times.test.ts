import type { IncomingMessage, ServerResponse } from "node:http";
import { withResolvers } from "../../../src/util/with-resolvers.js";
import { startNode } from "../../support/nodes/node.js";
import { passUntilCut, takeSome } from "../../support/nodes/slow-reader.js";
import { TestAdmission } from "../../support/nodes/test-admission.js";
import { connectRaw } from "../../support/raw/client.js";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const COOKIE = "a cookie of the admin interface";
/** More bytes than the system's buffers hold. */
const LARGE = Buffer.alloc(24 * 1_024 * 1_024, "x");

/** Starts a listener with one page. */
function listenerOf(times: TestTimes, page: (request: IncomingMessage, response: ServerResponse) => void) {
  return new TestAdmission({ times, routes: new Map([["/", page]]) }).start();
}

type TestTimes = NonNullable<NonNullable<ConstructorParameters<typeof TestAdmission>[0]>["times"]>;

test("L12: answers a slow head with 408 when its timeout has passed", async () => {
  const head = 2_000;
  const server = await listenerOf({ head }, (_request, response) => response.end("page"));
  const slow = await connectRaw(server.url);
  slow.send("GET / HTTP/1.1\r\nHost: te");
  const begun = performance.now();
  const answered = slow.response().then(({ status }) => ({ status, took: performance.now() - begun }));
  // Due after the listener's last check: timers run in the order of their times, even when they are late.
  const late = new Promise((resolve) => {
    setTimeout(resolve, head * 1.25);
  });
  const witness = await connectRaw(server.url);
  const first = await Promise.race([
    answered,
    late.then(async () => {
      // All earlier writes of the listener have arrived before this response.
      witness.send(GET);
      await witness.response();
    }),
  ]);
  expect(first).toMatchObject({ status: 408 });
  expect(first?.took).toBeGreaterThanOrEqual(head - 50);
});

test("L12: does not apply the head timeout to a connection that waits for its next request", async () => {
  const server = await listenerOf({ head: 300, keepAlive: 60_000 }, (_request, response) => response.end("page"));
  const kept = await connectRaw(server.url);
  kept.send(GET);
  expect((await kept.response()).status).toBe(200);
  const slow = await connectRaw(server.url);
  slow.send("GET / HTTP/1.1\r\nHost: te");
  expect((await slow.response()).status).toBe(408);
  kept.send(GET);
  expect((await kept.response()).status).toBe(200);
});

test("L12: answers a slow body with 408 on every port, whichever handler reads it", async () => {
  const node = await startNode({
    timeouts: { request: "1s" },
    webrocket: { admin: { listen: "127.0.0.1:0", cookie: COOKIE } },
  });
  const opened = await (await fetch(`${node.http}/socket.io/?EIO=4&transport=polling`)).text();
  const { sid } = JSON.parse(opened.slice(1)) as { readonly sid: string };
  const paths = [
    "/websockets.v1.BroadcastService/Publish",
    "/broadcaster/publish",
    "/api/v1/messages/",
    `/socket.io/?EIO=4&transport=polling&sid=${sid}`,
  ];
  const slow = paths.map(async (path) => {
    const client = await connectRaw(node.http);
    client.send(
      `POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"channel":`,
    );
    const { status } = await client.response();
    await client.gone;
    return [path, status];
  });
  expect(await Promise.all(slow)).toEqual(paths.map((path) => [path, 408]));
  // Answered without reading the body, so the connection closes.
  const admin = await connectRaw(node.carillon.addresses?.webrocketAdmin ?? "");
  admin.send(`DELETE /shop HTTP/1.1\r\nHost: test\r\nX-WebRocket-Cookie: ${COOKIE}\r\nContent-Length: 1000\r\n\r\n{`);
  expect((await admin.response()).status).toBe(404);
  await admin.gone;
});

test("L12: cuts a peer that does not read its response, but not a peer that waits for one", async () => {
  const answered = withResolvers<ServerResponse>();
  const waiting = withResolvers<ServerResponse>();
  const server = await listenerOf({ answer: 1_000 }, (request, response) => {
    if (request.headers["x-large"] === undefined) {
      waiting.resolve(response);
      return;
    }
    answered.resolve(response.end(LARGE));
  });
  const poll = await connectRaw(server.url);
  poll.send(GET);
  const response = await waiting.promise;
  const deaf = await connectRaw(server.url);
  deaf.socket.pause();
  deaf.send("GET / HTTP/1.1\r\nHost: test\r\nX-Large: 1\r\n\r\n");
  await passUntilCut(server, await answered.promise);
  response.end("at last");
  expect((await poll.response()).status).toBe(200);
});

test("L12: sends the whole response to a peer that reads slowly", async () => {
  const answered = withResolvers<ServerResponse>();
  const server = await listenerOf({ answer: 1_000 }, (_request, response) => answered.resolve(response.end(LARGE)));
  const client = await connectRaw(server.url);
  client.send(GET);
  const response = await answered.promise;
  while (!response.writableFinished) await takeSome(server, response, client.socket);
  client.socket.resume();
  const { body } = await client.response();
  expect(body.length).toBe(LARGE.length);
});

test("L12: cuts peers that do not read responses on every HTTP port", async () => {
  const node = await startNode({
    timeouts: { answer: "1s" },
    admin: { listen: "127.0.0.1:0" },
    webrocket: { admin: { listen: "127.0.0.1:0", cookie: COOKIE } },
    vhosts: Object.fromEntries(Array.from({ length: 300 }, (_, number) => [`/vhost-${number}`, {}])),
  });
  const { admin = "", http = "", webrocketAdmin = "" } = node.carillon.addresses ?? {};
  const cut = [
    [http, "/connection.js"],
    [admin, "/metrics"],
    [webrocketAdmin, "/"],
  ].map(async ([url = "", path = ""]) => {
    const client = await connectRaw(url);
    client.socket.pause();
    // More requests than the system buffers: the pending write detects the end, because nothing is read.
    const headers = ["Host: test", `X-WebRocket-Cookie: ${COOKIE}`, `X: ${"x".repeat(12_000)}`];
    client.send(`GET ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`.repeat(1_200));
    return client.gone;
  });
  for (const cause of await Promise.all(cut)) expect((cause as NodeJS.ErrnoException).code).toMatch(/ECONNRESET|EPIPE/);
});

test("L12: keeps connections for the next request for 75 s, or as long as configured", async () => {
  const admin = { listen: "127.0.0.1:0" };
  const usual = await startNode({ admin });
  const { http = "", admin: operations = "" } = usual.carillon.addresses ?? {};
  for (const url of [http, operations]) {
    const client = await connectRaw(url);
    client.send("GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n");
    expect((await client.response()).headers.get("keep-alive")).toBe("timeout=75");
  }
  const short = await startNode({ timeouts: { keep_alive: "1s" } });
  const client = await connectRaw(short.http);
  client.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
  expect((await client.response()).headers.get("keep-alive")).toBe("timeout=1");
  await client.ended();
});
