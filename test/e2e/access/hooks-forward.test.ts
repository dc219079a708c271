import { inspect } from "node:util";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import type { OnConnectRequest, OnJoinRequest } from "../../../gen/carillon/v1/hook_pb.js";
import { type ConfigInput, createCarillon } from "../../../src/index.js";
import { createLog } from "../../../src/observe/log.js";
import { SECRET, signed } from "../../access/jwts.js";
import { BACKENDS, type Backend, grpcBackend, nextHookCall } from "../../outbound/hooks/backend.js";
import { TestBackend } from "../../support/backends/backend.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect, refusedUpgrade, type TestClient, wholeRefusal } from "../../support/clients/native.js";
import { stockClient } from "../../support/clients/socket-io.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

/** Covers what RoadRunner's validators received about a connection, and how they refused it (rule A9). */

const control = ControlService.method;

type VhostInput = NonNullable<ConfigInput["vhosts"]>[string];
type Forward = NonNullable<NonNullable<VhostInput["hooks"]>["forward"]>;

const PLACES = { credentials: { header: true, protocol: true, cookie: "session", query: true } };

function settings(backend: Backend, forward: Forward) {
  return { jwt: { secret: SECRET }, ...PLACES, hooks: { url: backend.url, forward, timeout: "8s" } };
}

async function start(backend: Backend, forward: Forward): Promise<TestNode> {
  return startNode({ vhosts: { "/": settings(backend, forward) } });
}

/** Sends the same token in every place. */
async function arrive(
  node: Pick<TestNode, "ws">,
  path = "/ws",
): Promise<{ token: string; opened: Promise<TestClient> }> {
  const token = await signed(SECRET, "HS256", { exp: Math.ceil(Date.now() / 1_000) + 60, sub: "eve" });
  const headers = {
    authorization: `Bearer ${token}`,
    cookie: `a=%C3%A9%20x+y; session=${token}; bad=%zz`,
    "x-real": "1",
  };
  return { token, opened: connect(`${node.ws}${path}?meta=1&token=${token}&x=%20`, { headers }) };
}

function headerIn(headers: readonly { readonly name: string; readonly value: string }[], name: string) {
  return headers.find((header) => header.name === name)?.value;
}

describe.each(BACKENDS)("A9: a backend called by %s", (_protocol, startBackend) => {
  test("receives no token, and no upgrade at a join, unless hooks.forward allows it", async () => {
    const backend = await startBackend();
    const node = await start(backend, []);
    const { opened, token } = await arrive(node);
    const asked = await nextHookCall(backend, "OnConnect");
    const { cookies, headers, query, uri } = asked.request as OnConnectRequest;
    expect(
      JSON.stringify(asked.request, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
    ).not.toContain(token);
    expect([uri, query, cookies]).toEqual(["/ws?meta=1&x=+", { meta: "1", x: " " }, { a: "é x+y", bad: "%zz" }]);
    expect(headerIn(headers, "x-real")).toBe("1");
    asked.answer({});
    const client = await opened;
    client.send({ command: "join", topics: ["a"] });
    const join = await nextHookCall(backend, "OnJoin");
    expect((join.request as OnJoinRequest).upgrade).toBeUndefined();
    join.answer({});
    expect(await client.next()).toMatchObject({ topic: "@join" });
  });

  test("receives the whole query and headers with the token, and all of it at each join, when configured", async () => {
    const backend = await startBackend();
    const node = await start(backend, ["query", "authorization", "join"]);
    const { opened, token } = await arrive(node);
    const asked = await nextHookCall(backend, "OnConnect");
    const { cookies, headers, method, query, uri } = asked.request as OnConnectRequest;
    expect([method, uri, query]).toEqual(["GET", `/ws?meta=1&token=${token}&x=%20`, { meta: "1", token, x: " " }]);
    expect(cookies).toEqual({ a: "é x+y", session: token, bad: "%zz" });
    expect(headerIn(headers, "authorization")).toBe(`Bearer ${token}`);
    asked.answer({});
    const client = await opened;
    for (const topic of ["a", "b"]) {
      client.send({ command: "join", topics: [topic] });
      const join = await nextHookCall(backend, "OnJoin");
      const { upgrade } = join.request as OnJoinRequest;
      expect(upgrade).toMatchObject({ method, uri, query, cookies });
      expect(upgrade?.headers).toEqual(headers);
      join.answer({});
      expect(await client.next()).toMatchObject({ topic: "@join", payload: [topic] });
    }
  });

  test.each([301, 302, 307, 308, 400, 401, 404, 418, 451, 500, 503, 599])(
    "refuses with status %d as it is",
    async (status) => {
      const backend = await startBackend();
      const node = await start(backend, []);
      const refused = wholeRefusal(`${node.ws}/ws`);
      const headers = [{ name: "location", value: "https://example.com/login?from=%2Fws" }];
      (await nextHookCall(backend, "OnConnect")).answer({
        refuse: { status, headers, body: Buffer.from("go").toString("base64") },
      });
      const answer = await refused;
      expect(answer).toMatchObject({
        status,
        body: "go",
        headers: { location: "https://example.com/login?from=%2Fws" },
      });
    },
  );
});

test("A9: sends a 304 without a body", async () => {
  const backend = await grpcBackend();
  const node = await start(backend, []);
  const refused = wholeRefusal(`${node.ws}/ws`);
  (await nextHookCall(backend, "OnConnect")).answer({ refuse: { status: 304, body: "AAAA" } });
  expect(await refused).toMatchObject({ status: 304, body: "" });
});

test.each([100, 101, 200, 204, 299, 600])(
  "A9: refuses the connection when the refusal has the invalid status %d",
  async (status) => {
    const backend = await grpcBackend();
    const node = await start(backend, []);
    const refused = refusedUpgrade(`${node.ws}/ws`);
    (await nextHookCall(backend, "OnConnect")).answer({ refuse: { status } });
    expect((await refused).status).toBe(403);
  },
);

test("A9: sends a redirect's status to a Socket.IO client, and its whole query to the backend", async () => {
  const backend = await grpcBackend();
  const node = await start(backend, ["join", "query"]);
  const token = await signed(SECRET, "HS256", { exp: Math.ceil(Date.now() / 1_000) + 60 });
  const refused = stockClient(node.http, { query: { x: "y", token }, reconnection: false });
  const failed = new Promise<{ data?: object }>((resolve) => refused.socket.once("connect_error", resolve));
  const asked = await nextHookCall(backend, "OnConnect");
  expect((asked.request as OnConnectRequest).query).toMatchObject({ x: "y", token });
  asked.answer({ refuse: { status: 302 } });
  expect((await failed).data).toMatchObject({ status: 302 });
});

test("A9, O10: forwards nothing at a join that the settings no longer forward", async () => {
  const backend = await grpcBackend();
  const node = await startNode();
  const operator = new TestBackend(node);
  const shop = settings(backend, ["authorization", "join"]);
  await operator.call(control.createVhost, { path: "/shop", settings: shop });
  const { opened } = await arrive(node, "/ws/shop");
  (await nextHookCall(backend, "OnConnect")).answer({});
  const client = await opened;
  const upgradeAt = async (topic: string) => {
    client.send({ command: "join", topics: [topic] });
    const join = await nextHookCall(backend, "OnJoin");
    join.answer({});
    await client.next();
    return (join.request as OnJoinRequest).upgrade;
  };
  expect(headerIn((await upgradeAt("a"))?.headers ?? [], "authorization")).toMatch(/^Bearer /);
  await operator.call(control.updateVhost, { path: "/shop", settings: settings(backend, ["join"]) });
  expect(await upgradeAt("b")).toBeUndefined();
  await operator.call(control.updateVhost, {
    path: "/shop",
    settings: settings(backend, ["join", "query", "authorization"]),
  });
  expect(await upgradeAt("c")).toBeDefined();
});

test("O10: logs no forwarded token, whatever the backend does", async () => {
  const backend = await grpcBackend();
  const records: unknown[] = [];
  const note = (...parts: unknown[]): void => void records.push(...parts);
  const silent = createLog({ level: "silent", format: "json" });
  const log = Object.assign(silent, { debug: note, info: note, warn: note, error: note });
  const vhosts = { "/": { ...settings(backend, ["query", "authorization", "join"]) } };
  const carillon = createCarillon({ http: "127.0.0.1:0", grpc: "127.0.0.1:0", vhosts }, log);
  cleanUp(() => carillon.stop());
  await carillon.start();
  const ws = carillon.addresses?.http.replace("http", "ws") ?? "";
  const tokens: string[] = [];
  for (let failure = 0; failure < 6; failure += 1) {
    const { opened, token } = await arrive({ ws });
    tokens.push(token);
    if (failure < 5) (await nextHookCall(backend, "OnConnect")).fail();
    await expect(opened).rejects.toThrow(/./);
  }
  const text = records.map((part) => (part instanceof Object ? inspected(part) : String(part))).join("\n");
  expect(text).toContain("the backend keeps failing: calls to it are suspended");
  for (const token of tokens) expect(text).not.toContain(token);
});

/** All contents of an object, including errors and their causes. */
function inspected(value: object): string {
  return inspect(value, { depth: 10, showHidden: true });
}
