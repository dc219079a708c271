import { type Logger, pino } from "pino";
import { type ConfigInput, createCarillon } from "../../../src/index.js";
import { PASSWORD_HASH } from "../../admin/support.js";
import { cleanUp } from "../../support/clean-up.js";
import { startNode } from "../../support/nodes/node.js";
import { temporaryFolder } from "../../support/temporary-files.js";

/** Warnings of a node about access without a key or a token, and the answers to callers without one. */

const NO_KEYS = "no keys are configured: every caller that reaches these ports may publish and listen";
const OPEN = "clients without a token may join topics: see access, anonymous";
const HASH = `sha256:${"0".repeat(64)}`;
const KEY = { name: "shop", hash: HASH, actions: ["publish" as const] };
const EVERYWHERE = { http: "0.0.0.0:0", grpc: "127.0.0.1:0" };

interface LogRecord {
  readonly msg: string;
  readonly vhosts?: readonly string[];
}

/** Runs a node and gives what it has logged until it listened, and was stopped. */
async function logOf(config: ConfigInput): Promise<readonly LogRecord[]> {
  const log: LogRecord[] = [];
  const logger: Logger = pino({}, { write: (line: string) => log.push(JSON.parse(line) as LogRecord) });
  const node = createCarillon({ http: "127.0.0.1:0", grpc: "127.0.0.1:0", ...config }, logger);
  cleanUp(() => node.stop());
  await node.start();
  await node.stop();
  return log;
}

async function call(http: string, method: string, body: object): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(`${http}/${method}`, { method: "POST", headers, body: JSON.stringify(body) });
}

test("A3: a node that asks nobody for a key says so once; an embedded one too", async () => {
  expect((await logOf({})).filter(({ msg }) => msg === NO_KEYS)).toHaveLength(1);
  expect((await logOf({ vhosts: { "/": { keys: [KEY] } } })).map(({ msg }) => msg)).not.toContain(NO_KEYS);
});

test("A3: a node with a password and without keys says what the password does not protect", async () => {
  const config = { admin: { password_hash: PASSWORD_HASH } };
  const told = `${NO_KEYS}; admin.password_hash protects only the dashboard`;
  expect((await logOf(config)).map(({ msg }) => msg)).toContain(told);
  expect((await logOf({ ...config, vhosts: { "/": { keys: [KEY] } } })).map(({ msg }) => msg)).not.toContain(told);
});

test("A3: one whose store holds a key does not say so", async () => {
  const store = { driver: "file" as const, path: temporaryFolder() };
  const node = await startNode({ store });
  const made = await call(node.http, "carillon.v1.ControlService/CreateKey", { name: "shop", actions: ["publish"] });
  expect(made.status).toBe(200);
  await node.carillon.stop();
  const log = await logOf({ store });
  expect(log.map(({ msg }) => msg)).toContain("ready");
  expect(log.map(({ msg }) => msg)).not.toContain(NO_KEYS);
});

test("A5: a node tells which vhosts accept tokens that do not end", async () => {
  const secret = "0123456789abcdef".repeat(4);
  const vhosts = { "/": { jwt: { secret } }, "/shop": { jwt: { secret, require_exp: false } } };
  const told = (await logOf({ vhosts })).filter(({ msg }) => msg.startsWith("tokens without an expiry are accepted"));
  expect(told.map((record) => record.vhosts)).toEqual([["/shop"]]);
});

test.each<[string, ConfigInput, readonly string[] | undefined]>([
  ["keys alone", { ...EVERYWHERE, vhosts: { "/": { keys: [KEY] }, "/shop": {} } }, ["/", "/shop"]],
  ["on loopback", { vhosts: { "/": { keys: [KEY] } } }, undefined],
  ["private topics", { ...EVERYWHERE, vhosts: { "/": { keys: [KEY], access: "private" } } }, undefined],
  [
    "a rule for every topic",
    { ...EVERYWHERE, vhosts: { "/": { keys: [KEY], topics: [{ match: "*", access: "private" }] } } },
    undefined,
  ],
  ["tokens", { ...EVERYWHERE, vhosts: { "/": { keys: [KEY], anonymous: { connect: false } } } }, undefined],
])("A7: a node tells which vhosts anybody may listen in: %s", async (_, config, expected) => {
  const told = (await logOf(config)).filter(({ msg }) => msg === OPEN);
  expect(told.map(({ vhosts }) => vhosts)).toEqual(expected === undefined ? [] : [expected]);
});

test("A2: who shows no key over HTTP is told how to", async () => {
  const node = await startNode({ vhosts: { "/": { keys: [KEY] } } });
  const refused = await call(node.http, "websockets.v1.BroadcastService/Publish", { messages: [] });
  expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  const wrong = await call(node.http, "websockets.v1.BroadcastService/Sing", {});
  expect([wrong.status, wrong.headers.get("www-authenticate")]).toEqual([501, null]);
});

test("A13: a vhost is not made with certificates that the node asks nobody for", async () => {
  const node = await startNode();
  const certificates = [{ subject: "CN=shop,O=Example", actions: ["publish"] }];
  const create = (settings: object) =>
    call(node.http, "carillon.v1.ControlService/CreateVhost", { path: "/shop", settings });
  expect(await (await create({ certificates })).json()).toEqual({
    code: "invalid_argument",
    message: "certificates: requires this node's client_certificates",
  });
  expect((await create({})).status).toBe(200);
});
