import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, request } from "node:http";
import type { AddressInfo } from "node:net";
import { hashKey } from "../../../../src/access/keys/key-secret.js";
import { Keyring, type KeyScope } from "../../../../src/access/keys/keyring.js";
import { createBroadcasterRoutes } from "../../../../src/dialects/broadcaster/backend/routes.js";
import { CallAuthorizer } from "../../../../src/rpc/call-authorizer.js";
import { createOriginCheck } from "../../../../src/transport/http/origin.js";
import { systemClock } from "../../../../src/util/system-clock.js";
import { TestPublisher } from "../../../rpc/support/publisher.js";
import { cleanUp } from "../../../support/clean-up.js";
import { ampleLeases } from "../../../support/nodes/byte-budget.js";

const KEYS: readonly Partial<KeyScope>[] = [
  { name: "all", actions: ["*"] },
  { name: "tokens", actions: ["tokens"] },
  { name: "news", actions: ["publish"], topics: ["news"] },
];

interface Stage {
  readonly url: string;
  readonly published: readonly string[];
  readonly faults: readonly unknown[];
  readonly times: readonly number[];
  readonly post: (body: string | object, headers?: Record<string, string>) => Promise<Response>;
}

/** Starts a server with the routes alone. @param keys - without any, no key is required */
async function start(keys = KEYS): Promise<Stage> {
  const ring = new Keyring({ clock: systemClock, open: true, hasVhost: () => true });
  const scopes = keys.map((key, number): KeyScope => {
    const { name = "" } = key;
    const made = { id: String(number), name, hash: hashKey(name), created: undefined, configured: true };
    return { actions: [], topics: [], ...made, ...key };
  });
  ring.replace("/shop", { keys: scopes, certificates: [] });
  const publisher = new TestPublisher();
  const faults: unknown[] = [];
  const times: number[] = [];
  const routes = createBroadcasterRoutes({
    base: "/base",
    keys: ring,
    authorizer: new CallAuthorizer(ring, systemClock),
    publisher: publisher.publisher,
    originAllowed: createOriginCheck({ allowed: ["https://good.example"], sameOrigin: false }),
    requestBytes: 1_000,
    openLease: ampleLeases(),
    onPublished: (seconds) => times.push(seconds),
    onFault: (cause) => faults.push(cause),
  });
  const port = await listen((incoming, response) => routes.get(incoming.url ?? "")?.(incoming, response));
  const url = `http://127.0.0.1:${port}/base`;
  const post = (body: string | object, headers: Record<string, string> = { authorization: "Bearer all" }) =>
    fetch(`${url}/publish`, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), headers });
  return { url, published: publisher.topics, faults, times, post };
}

async function listen(onRequest: RequestListener): Promise<number> {
  const server = createServer(onRequest);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}

const GOOD = { channel: "news", event: "e", payload: { a: [1] } };

test("B20: answers a publish with the message", async () => {
  const { post, published, times } = await start();
  const response = await post(GOOD);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.text()).toMatch(
    /^\{"id":"test-1","seq":0,"createTime":"[\dT:.-]+Z","channel":"news","event":"e","payload":\{"a":\[1\]\}\}$/,
  );
  expect(published).toEqual(["/shop news"]);
  expect(times).toHaveLength(1);
});

test("B20: passes a payload on as it was written", async () => {
  const { post } = await start();
  const response = await post('{"channel":"news","event":"e","payload":{"b":12345678901234567890,"1":[]}}');
  expect(await response.text()).toMatch(/,"payload":\{"b":12345678901234567890,"1":\[\]\}\}$/);
});

test.each<Record<string, string>>([
  {},
  { authorization: "" },
  { authorization: "all" },
  { authorization: "Basic all" },
  { authorization: "Bearer" },
  { authorization: "Bearer wrong" },
  { authorization: "Bearer all all" },
])("B20: answers 401 without a known key: %j", async (headers) => {
  const { post, published } = await start();
  // Without a key, the answer does not reveal that the body is invalid.
  const response = await post("{", headers);
  expect(response.status).toBe(401);
  expect(response.headers.get("www-authenticate")).toBe("Bearer");
  expect(await response.json()).toEqual({ code: "Unauthenticated", message: expect.any(String) });
  expect(published).toEqual([]);
});

test("B20: demands a key that may publish on the channel", async () => {
  const { post, published } = await start();
  const tokens = await post(GOOD, { authorization: "Bearer tokens" });
  expect([tokens.status, await tokens.json()]).toEqual([
    403,
    { code: "PermissionDenied", message: 'key "tokens" lacks the action "publish"' },
  ]);
  const other = await post({ ...GOOD, channel: "other" }, { authorization: "Bearer news" });
  expect([other.status, await other.json()]).toEqual([
    403,
    { code: "PermissionDenied", message: 'key "news" is not permitted to use this channel' },
  ]);
  expect(published).toEqual([]);
  expect((await post(GOOD, { authorization: "Bearer news" })).status).toBe(200);
});

test.each([
  ["nothing", "", "the body is not JSON"],
  ["no JSON", '{"channel"', "the body is not JSON"],
  ["null", "null", "missing params"],
  ["a list", "[]", "invalid params: not an object"],
  ["no channel", { ...GOOD, channel: undefined }, "invalid params: channel is missing"],
  ["a channel that is not a string", { ...GOOD, channel: 1 }, "invalid params: channel is not a string"],
  ["an event that is not a string", { ...GOOD, event: 1 }, "invalid params: event is not a string"],
  ["an invalid channel", { ...GOOD, channel: "a::b" }, "invalid channel"],
  ["an event that is not valid Unicode", { ...GOOD, event: "a\ud800" }, "event is not valid Unicode"],
  ["an event with a control character", { ...GOOD, event: "a\u0001" }, "event contains a control character"],
])("B21: answers 400 to a body that is %s", async (_what, body, message) => {
  const { faults, post, published } = await start();
  const response = await post(body);
  expect(response.status).toBe(400);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.json()).toEqual({ code: "InvalidArgument", message });
  expect({ faults, published }).toEqual({ faults: [], published: [] });
});

test.each([undefined, null])("B20, D9: reads the event %j as empty", async (event) => {
  const { post, published } = await start();
  const response = await post({ ...GOOD, event, payload: null });
  expect(await response.json()).toMatchObject({ event: "", payload: null });
  expect(published).toEqual(["/shop news"]);
});

test("B20, O13: answers with the payload's text as it was sent", async () => {
  const { post } = await start();
  const payload = '{ "b":1.10,"1":1E5,"b":[-0,"\\u00e9\\/\\ud800",123456789012345678901234567890] }';
  const response = await post(`{"payload":1,"channel":"news","payload" : ${payload} }`);
  expect(await response.text()).toContain(`"event":"","payload":${payload}}`);
});

test("B21: answers 413 to a too large body, with and without a Content-Length", async () => {
  const { post, published, url } = await start();
  const response = await post({ ...GOOD, payload: "x".repeat(2_000) });
  expect([response.status, await response.json()]).toEqual([
    413,
    { code: "FailedPrecondition", message: "the body is larger than 1000 bytes" },
  ]);
  const { port } = new URL(url);
  const chunked = request({ port, path: "/base/publish", method: "POST", headers: { authorization: "Bearer all" } });
  // Left incomplete: the answer does not wait for the rest.
  chunked.write("x".repeat(2_000));
  const [{ headers, statusCode }] = (await once(chunked, "response")) as [IncomingMessage];
  expect([statusCode, headers.connection]).toEqual([413, "close"]);
  chunked.destroy();
  expect(published).toEqual([]);
});

test("B22: lets pages of any origin publish with a key", async () => {
  const { post, url } = await start();
  const origin = "https://any.example";
  const preflight = await fetch(`${url}/publish`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
  });
  const cors = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "Content-Type, Authorization",
  };
  expect(preflight.status).toBe(200);
  expect(Object.fromEntries(preflight.headers)).toMatchObject(cors);
  const traced = await fetch(`${url}/publish`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-headers": "content-type,traceparent, baggage,x-request-id" },
  });
  expect(traced.headers.get("access-control-allow-headers")).toBe(
    "Content-Type, Authorization, traceparent, baggage, x-request-id",
  );
  for (const headers of [{ origin }, { origin, authorization: "Bearer all" }]) {
    expect(Object.fromEntries((await post(GOOD, headers)).headers)).toMatchObject(cors);
  }
});

test("B22: lets only pages of allowed origins publish where no key is needed", async () => {
  const { post, published, url } = await start([]);
  for (const origin of ["https://any.example", "null", url.replace("/base", "")]) {
    for (const method of ["POST", "OPTIONS"]) {
      const body = method === "POST" ? { body: JSON.stringify(GOOD) } : {};
      const headers = { origin, authorization: "Bearer any" };
      const response = await fetch(`${url}/publish`, { method, headers, ...body });
      expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([403, null]);
      expect(await response.json()).toMatchObject({ code: "PermissionDenied" });
    }
  }
  expect(published).toEqual([]);
  const good = await post(GOOD, { origin: "https://good.example" });
  expect([good.status, good.headers.get("access-control-allow-origin")]).toEqual([200, "https://good.example"]);
  expect((await post(GOOD, {})).status).toBe(200);
  expect(published).toEqual(["/ news", "/ news"]);
});

test("B20: answers 405 to other methods", async () => {
  const { url } = await start();
  for (const method of ["GET", "PUT", "DELETE"]) {
    const response = await fetch(`${url}/publish`, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
  }
  const response = await fetch(`${url}/health`, { method: "POST", body: "x" });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("B23: answers ok to health checks", async () => {
  const { url } = await start();
  const response = await fetch(`${url}/health`);
  expect([response.status, await response.text()]).toEqual([200, "ok"]);
  expect((await fetch(`${url}/health`, { method: "HEAD" })).status).toBe(200);
});

test("B21: publishes nothing of a body that is cut off, and reports no fault", async () => {
  const { faults, post, published, url } = await start();
  const { port } = new URL(url);
  const headers = { authorization: "Bearer all", "content-length": "100" };
  const cut = request({ port, path: "/base/publish", method: "POST", headers });
  cut.write('{"channel":"news","event":"e","payload":1}', () => cut.destroy());
  await expect(once(cut, "close")).rejects.toThrow("socket hang up");
  expect((await post(GOOD)).status).toBe(200);
  expect({ faults, published }).toEqual({ faults: [], published: ["/shop news"] });
});
