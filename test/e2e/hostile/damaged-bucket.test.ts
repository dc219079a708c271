import type { KV } from "nats";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { bearer, STATUS, TestBackend } from "../../support/backends/backend.js";
import { connect } from "../../support/clients/native.js";
import { connectNats } from "../../support/nats/client.js";
import type { NatsServer } from "../../support/nats/server.js";
import { startJetStream } from "../../support/nats/store.js";
import { type RunningNode, startCarillon } from "../../support/nodes/process.js";
import { temporaryFile } from "../../support/temporary-files.js";

/** Starts the built program with its records in NATS. */
function startStoring({ url }: NatsServer): Promise<RunningNode> {
  const config = {
    brokers: { nats: { driver: "nats", servers: [url] } },
    store: { driver: "nats", broker: "nats", bucket: "carillon" },
  };
  return startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(config))]);
}

/** Starts a node with a key, a vhost `/shop`, and a client in it. */
async function startShop() {
  const server = await startJetStream();
  const node = await startStoring(server);
  const { secret } = await new TestBackend(node).call(ControlService.method.createKey, { name: "ops", actions: ["*"] });
  const backend = new TestBackend(node, bearer(secret));
  await backend.call(ControlService.method.createVhost, { path: "/shop" });
  const client = await connect(`${node.ws}/ws/shop`);
  return { server, node, secret, backend, client };
}

async function openBucket(server: NatsServer): Promise<KV> {
  return (await connectNats(server)).jetstream().views.kv("carillon");
}

function encoded(text: string): string {
  return Buffer.from(text).toString("base64url");
}

const SHOP = `vhosts.${encoded("/shop")}`;
const KEYS = `keys.${encoded("/")}`;

/** Invalid records by their defect. */
const BAD_VHOSTS = ["garbage", "\n{", "\nnull", "\n[]", '\n{"id":"x","path":"/shop","settings":null}'].concat(
  '\n{"id":"x","path":"/other","settings":{}}',
  '\n{"id":"x","path":"/shop","settings":{"access":7}}',
);
const BAD_KEYS = [
  "garbage",
  "\nnull",
  "\n{}",
  '\n{"id":"k","name":"k","hash":"0","actions":["*"],"topics":[],"created":0}',
];
const BAD_PATTERN = {
  id: "k",
  name: "k",
  hash: "0".repeat(64),
  actions: ["*"],
  topics: ["re:("],
  created: 0,
};

test("SECURITY: keeps its state when records in the bucket are damaged, and logs them at a bounded rate", async () => {
  const { backend, client, node, secret, server } = await startShop();
  await client.join("news");
  const bucket = await openBucket(server);

  for (const record of BAD_VHOSTS) await bucket.put(SHOP, record);
  for (const record of [...BAD_KEYS, `\n${JSON.stringify(BAD_PATTERN)}`]) await bucket.put(`${KEYS}.k`, record);
  for (let count = 0; count < 200; count += 1) await bucket.put(`vhosts.g${count}`, "garbage");
  await bucket.put(`vhosts.${encoded("no-slash")}`, '\n{"id":"x","path":"no-slash","settings":{}}');
  // The last vhost shows that all earlier records have been processed.
  await bucket.put(`vhosts.${encoded("/last")}`, '\n{"id":"l","path":"/last","settings":{}}');
  const paths = async (): Promise<string[]> =>
    (await backend.call(ControlService.method.listVhosts, {})).vhosts.map(({ path }) => path);
  while (!(await paths()).includes("/last"));

  expect(await paths()).toEqual(["/", "/last", "/shop"]);
  await client.join("more");
  expect(client.webSocket.readyState).toBe(client.webSocket.OPEN);
  const errors = node.log.filter(({ level }) => level === "error");
  expect(errors.length).toBeGreaterThan(0);
  expect(errors.length).toBeLessThanOrEqual(30);

  // A node that starts now reads the valid records, and requires a key.
  const late = await startStoring(server);
  expect((await new TestBackend(late).ask(ControlService.method.listVhosts)).status).toBe(STATUS.unauthenticated);
  const known = await new TestBackend(late, bearer(secret)).call(ControlService.method.listVhosts, {});
  expect(known.vhosts.map(({ path }) => path)).toEqual(["/", "/last"]);
});

test("SECURITY: requires a key at start when every key in the bucket is damaged", async () => {
  const server = await startJetStream();
  const node = await startStoring(server);
  await new TestBackend(node).call(ControlService.method.createKey, { name: "ops", actions: ["*"] });
  const bucket = await openBucket(server);
  for await (const key of await bucket.keys("keys.>")) await bucket.put(key, "garbage");
  const late = await startStoring(server);
  expect((await new TestBackend(late).ask(ControlService.method.listVhosts)).status).toBe(STATUS.unauthenticated);
});

test.each(["", "AAAA"])("SECURITY: signs and verifies no tokens with a secret truncated to %j", async (secret) => {
  const server = await startJetStream();
  const node = await startStoring(server);
  const bucket = await openBucket(server);
  await bucket.put(`token-secrets.${encoded("/")}`, `\n${secret}`);
  const answer = await new TestBackend(node).ask(TokenService.method.createConnectionToken, { user: "u" });
  expect(answer.status).toBe(13);
});

test("SECURITY: keeps keys and vhosts when the bucket of a running node is deleted", async () => {
  const { backend, client, node, server } = await startShop();

  const manager = await (await connectNats(server)).jetstreamManager();
  await manager.streams.delete("KV_carillon");
  expect((await backend.ask(ControlService.method.createVhost, { path: "/new" })).status).toBe(14);
  expect(await node.logged("store unavailable, retrying")).toMatchObject({
    reason: expect.stringMatching(/it was deleted: restore it/),
  });
  const { vhosts } = await backend.call(ControlService.method.listVhosts, {});
  expect(vhosts.map(({ path }) => path)).toEqual(["/", "/shop"]);
  await client.join("news");
  expect((await fetch(`${node.http}/healthz`)).status).toBe(200);
});
