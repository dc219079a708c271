import { writeFileSync } from "node:fs";
import { SignJWT } from "jose";
import { createKey } from "../../src/access/keys/key-secret.js";
import type { CarillonError } from "../../src/errors.js";
import type { ConfigInput } from "../../src/index.js";
import { createLog } from "../../src/observe/log.js";
import { until } from "../support/backends/backend.js";
import { publish, say } from "../support/backends/publish.js";
import { connect, refusedUpgrade, untilRefused } from "../support/clients/native.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { temporaryFile } from "../support/temporary-files.js";

const PORTS = { http: "127.0.0.1:0", grpc: "127.0.0.1:0", stop_timeout: "5s", ping: { interval: "1h" } };
const [ONE, OTHER] = ["1".repeat(64), "2".repeat(64)];

function reload({ carillon }: TestNode, config: ConfigInput) {
  return carillon.reload({ ...PORTS, ...config });
}

function keyOf(name: string) {
  const { hash, secret } = createKey();
  const entry = { name, hash: `sha256:${hash}`, actions: ["publish" as const] };
  return { entry, headers: { authorization: `Bearer ${secret}` } };
}

async function statusOf(node: TestNode, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const { status } = await publish(node, [{ topics: ["foo"], payload: "x" }], "Publish", headers);
  return status;
}

function token(secret: string): Promise<string> {
  return new SignJWT({ sub: "eve" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret));
}

async function enters(node: TestNode, secret: string, path = "/ws"): Promise<boolean> {
  const headers = { authorization: `Bearer ${await token(secret)}` };
  return connect(`${node.ws}${path}`, { headers }).then(
    () => true,
    () => false,
  );
}

test("adds, changes and removes vhosts, and keeps the others' clients", async () => {
  const node = await startNode({ vhosts: { "/old": {}, "/same": {} } });
  const [old, same, root] = await Promise.all(
    ["/ws/old", "/ws/same", "/ws"].map((path) => connect(`${node.ws}${path}`)),
  );
  await root?.join("staff.a", "news");
  const vhosts = { "/": { topics: [{ match: "staff.>", access: "private" as const }] }, "/same": {}, "/new": {} };
  expect(await reload(node, { vhosts })).toEqual({
    changed: ["vhosts./.topics", "vhosts./old", "vhosts./new"],
    restart: [],
  });
  expect(await old?.closed).toMatchObject({ code: 4404 });
  expect(await root?.next()).toMatchObject({ topic: "@leave", payload: ["staff.a"] });
  await (await connect(`${node.ws}/ws/new`)).join("foo");
  await same?.join("foo");
  expect((await refusedUpgrade(`${node.ws}/ws/old`)).status).toBe(404);
});

test("hides a vhost of the store while the configuration has one with its path", async () => {
  const node = await startNode();
  const call = async (method: string, body: object): Promise<unknown> => {
    const url = `${node.http}/carillon.v1.ControlService/${method}`;
    const headers = { "content-type": "application/json" };
    return (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).json();
  };
  await call("CreateVhost", { path: "/shop", settings: { access: "private" } });
  const client = await connect(`${node.ws}/ws/shop`);
  expect(await reload(node, { vhosts: { "/shop": { presence: true } } })).toMatchObject({ changed: ["vhosts./shop"] });
  expect(await call("GetVhost", { path: "/shop" })).toMatchObject({
    vhost: { configured: true, settings: { access: "open" } },
  });
  await client.join("foo");
  await reload(node, {});
  expect(await call("GetVhost", { path: "/shop" })).toEqual({
    vhost: { path: "/shop", settings: { access: "private" } },
  });
});

test("replaces keys, moves them between vhosts, and never opens the node again", async () => {
  const [first, second] = [keyOf("first"), keyOf("second")];
  const node = await startNode();
  expect(await statusOf(node)).toBe(200);
  await reload(node, { vhosts: { "/": { keys: [first.entry] }, "/shop": { keys: [second.entry] } } });
  expect([await statusOf(node), await statusOf(node, first.headers)]).toEqual([401, 200]);
  await reload(node, { vhosts: { "/": { keys: [second.entry] }, "/shop": { keys: [first.entry] } } });
  expect(await statusOf(node, second.headers)).toBe(200);
  expect(await statusOf(node, { ...second.headers, "carillon-vhost": "/shop" })).toBe(403);
  await reload(node, {});
  expect([await statusOf(node), await statusOf(node, first.headers)]).toEqual([401, 401]);
});

test("reads the files of secrets again, also when no setting has changed", async () => {
  const file = temporaryFile("secret", ONE);
  const config = { vhosts: { "/": { jwt: { secret_file: file } } } };
  const node = await startNode(config);
  expect([await enters(node, ONE), await enters(node, OTHER)]).toEqual([true, false]);
  writeFileSync(file, `${OTHER}\n`);
  expect(await reload(node, config)).toEqual({ changed: ["vhosts./.jwt.secret_file"], restart: [] });
  expect([await enters(node, ONE), await enters(node, OTHER)]).toEqual([false, true]);
  expect(await reload(node, config)).toEqual({ changed: [], restart: [] });
});

test("changes limits, origins, admission and the log's level", async () => {
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => lines.push(line) });
  const node = await startNode({ log: { level: "info" } }, log);
  const client = await connect(`${node.ws}/ws`);
  const big = { topics: ["foo"], payload: "x".repeat(2_000) };
  expect((await publish(node, [big])).status).toBe(200);
  const origin = "https://app.example";
  expect((await refusedUpgrade(`${node.ws}/ws`, { origin })).status).toBe(403);
  const { changed } = await reload(node, {
    limits: { payload: "1KiB", topics_per_connection: 1, connections: 2, topics_per_message: 1 },
    origins: [origin],
    admission: { rate: 1 },
    log: { level: "warn" },
  });
  expect(changed).toEqual([
    "origins",
    "limits.connections",
    "limits.topics_per_connection",
    "limits.topics_per_message",
    "limits.payload",
    "admission.rate",
    "log.level",
  ]);
  expect((await publish(node, [big])).message).toBe("messages[0].payload: 2000 bytes, the limit is 1024");
  expect((await publish(node, [{ topics: ["a", "b"], payload: "x" }])).message).toContain("the limit is 1");
  await client.join("foo");
  expect(await client.ask({ command: "join", topics: ["bar"] })).toMatchObject({ topic: "#join" });
  const second = await connect(`${node.ws}/ws`, { origin });
  expect((await refusedUpgrade(`${node.ws}/ws`)).body).toContain("connection limit");
  second.webSocket.close();
  await second.closed;
  // On a loaded machine, a second may pass between two upgrades, and the rate admits the later one.
  await until(
    () => untilRefused(`${node.ws}/ws`),
    ({ body }) => body.includes("admits no more clients"),
  );
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).not.toContain("configuration reloaded");
});

test.each<[string, ConfigInput, string]>([
  [
    "a file that cannot be read",
    { vhosts: { "/": { access: "private" }, "/b": { tokens: { secret_file: "/nowhere/s" } } } },
    "vhosts./b.tokens.secret_file: /nowhere/s cannot be read",
  ],
  [
    "more history than the node may keep",
    { vhosts: { "/": { access: "private", history: { a: { bytes: "2GiB" } } } } },
    "the memory broker would keep up to",
  ],
  [
    "a live setting that needs a restart of another one",
    { vhosts: { "/": { access: "private" } }, limits: { payload: "8MiB", request: "9MiB" } },
    "needs a restart, because limits.request cannot change in a running node",
  ],
])("changes nothing when it refuses %s", async (_what, config, expected) => {
  const node = await startNode();
  await expect(reload(node, config)).rejects.toThrow(expected);
  await (await connect(`${node.ws}/ws`)).join("foo");
  expect(await reload(node, {})).toEqual({ changed: [], restart: [] });
});

test("lists settings that need a restart, at each reload until it happens", async () => {
  const node = await startNode();
  for (let times = 0; times < 2; times += 1) {
    expect((await reload(node, { compression: true, limits: { frame: "2MiB", receiving: "128MiB" } })).restart).toEqual(
      ["limits.frame", "compression"],
    );
  }
});

test("applies reloads one after the other", async () => {
  const node = await startNode();
  const reloads = Array.from({ length: 10 }, (_, round) =>
    reload(node, { vhosts: { [`/v${round}`]: {} }, limits: { payload: `${round + 1}KiB` } }),
  );
  await Promise.all(reloads);
  const statuses = Array.from({ length: 9 }, (_, round) =>
    refusedUpgrade(`${node.ws}/ws/v${round}`).then(({ status }) => status),
  );
  expect(await Promise.all(statuses)).toEqual(Array.from({ length: 9 }, () => 404));
  await connect(`${node.ws}/ws/v9`);
  await say(node, "foo", "x".repeat(10 * 1_024));
});

test("refuses a reload while the node stops", async () => {
  const node = await startNode();
  const stopped = node.carillon.stop();
  await expect(reload(node, {})).rejects.toMatchObject({
    code: "unavailable",
  } satisfies Partial<CarillonError>);
  await stopped;
});
