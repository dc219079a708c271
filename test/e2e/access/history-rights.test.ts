import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import type { ConfigInput } from "../../../src/index.js";
import { SECRET, signed } from "../../access/jwts.js";
import { bearer, configuredKey, TestBackend } from "../../support/backends/backend.js";
import { connect, type NativeFrame, type TestClient } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const PERMISSIONS = { history: ["news.*"] };

/** Vhosts where everything is private and stored, except the topic `brief`. */
async function startVhosts(): Promise<TestNode> {
  const stored = {
    access: "private" as const,
    history: { chat: {} },
    default_history: "chat",
    topics: [
      { match: "brief", access: "open" as const, history: "off" },
      { match: "secret", history: "off" },
    ],
  } satisfies NonNullable<ConfigInput["vhosts"]>[string];
  const node = await startNode({
    vhosts: {
      "/": { keys: [configuredKey("root", { actions: ["*"] })] },
      "/jwt": { ...stored, jwt: { secret: SECRET }, keys: [configuredKey("jwt", { actions: ["publish"] })] },
      "/bits": {
        ...stored,
        jwt: { secret: SECRET, permission_bits: { "4": PERMISSIONS } },
        keys: [configuredKey("bits", { actions: ["publish"] })],
      },
      "/issued": { ...stored, keys: [configuredKey("issued", { actions: ["publish", "tokens"] })] },
      "/anonymous": {
        ...stored,
        anonymous: { permissions: PERMISSIONS },
        keys: [configuredKey("anonymous", { actions: ["publish"] })],
      },
    },
  });
  for (const vhost of ["jwt", "bits", "issued", "anonymous"]) {
    const backend = new TestBackend(node, bearer(vhost));
    for (const topic of ["news.1", "staff"]) for (const text of ["one", "two"]) await backend.say(topic, text);
  }
  return node;
}

async function jwt(permissions: object | number): Promise<string> {
  return signed(SECRET, "HS256", { exp: Math.floor(Date.now() / 1_000) + 60, permissions });
}

async function issue(node: TestNode, permissions: object): Promise<string> {
  const request = { user: "eve", permissions };
  const { token } = await new TestBackend(node, bearer("issued")).call(
    TokenService.method.createConnectionToken,
    request,
  );
  return token;
}

function open(node: TestNode, vhost: string, token?: string): Promise<TestClient> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return connect(`${node.ws}/ws${vhost}`, { headers });
}

function read(client: TestClient, topic: string): Promise<NativeFrame> {
  return client.ask({ command: "history", topics: [topic], id: 1 });
}

const DENIED = { error: { code: "permission_denied" } };
const BOTH = { topic: "@history", payload: { messages: [{ payload: "one" }, { payload: "two" }], more: false } };

test.each<[string, string, (node: TestNode) => Promise<string | undefined>]>([
  ["a JWT", "/jwt", () => jwt(PERMISSIONS)],
  ["the bits of a JWT", "/bits", () => jwt(12)],
  ["an issued token", "/issued", (node) => issue(node, PERMISSIONS)],
  ["anonymous clients", "/anonymous", () => Promise.resolve(undefined)],
])("A7: the permission history of %s lets a client read, but not join", async (_, vhost, tokenOf) => {
  const node = await startVhosts();
  const client = await open(node, vhost, await tokenOf(node));
  expect(await read(client, "news.1")).toMatchObject(BOTH);
  expect(await read(client, "staff")).toMatchObject(DENIED);
  expect(await client.ask({ command: "join", topics: ["news.1"], id: 1 })).toMatchObject(DENIED);
  expect(await client.ask({ command: "join", topics: ["news.1"], history: 1, id: 1 })).toMatchObject(DENIED);
  expect(await read(client, "brief")).toMatchObject({ error: { code: "failed_precondition" } });
});

test("A7: a client that may join reads and rewinds without a further permission", async () => {
  const node = await startVhosts();
  const client = await open(node, "/jwt", await jwt({ join: ["news.*"] }));
  expect(await read(client, "news.1")).toMatchObject(BOTH);
  expect(await read(client, "staff")).toMatchObject(DENIED);
  // A topic without history has no messages to rewind, and needs no right to them.
  client.send({ command: "join", topics: ["news.1", "brief"], history: 1 });
  expect(await client.next()).toMatchObject({ topic: "@join", payload: ["news.1", "brief"] });
  expect(await client.next()).toMatchObject({ topic: "news.1", payload: "two" });
});

test("A7: a channel token that permits a join permits its rewind, but not reading", async () => {
  const node = await startVhosts();
  const { token } = await new TestBackend(node, bearer("issued")).call(TokenService.method.createChannelToken, {
    channel: "staff",
  });
  const client = await open(node, "/issued", await issue(node, {}));
  expect(await client.ask({ command: "join", topics: ["staff"], history: 1, id: 1 })).toMatchObject(DENIED);
  client.send({ command: "join", topics: ["staff"], auth: token, history: 1 });
  expect(await client.next()).toMatchObject({ topic: "@join", payload: ["staff"] });
  expect(await client.next()).toMatchObject({ topic: "staff", payload: "two" });
  expect(await read(client, "staff")).toMatchObject(DENIED);
});

test("A7: a client without a right to a topic learns nothing about its history", async () => {
  const node = await startVhosts();
  const client = await open(node, "/jwt", await jwt({}));
  expect(await read(client, "staff")).toMatchObject(DENIED);
  expect(await read(client, "never-published")).toMatchObject(DENIED);
  expect(await read(client, "secret")).toMatchObject(DENIED);
  expect(await read(client, "brief")).toMatchObject({ error: { code: "failed_precondition" } });
});
