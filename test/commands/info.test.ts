import { createHmac } from "node:crypto";
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { PresenceService } from "../../gen/carillon/v1/presence_pb.js";
import { TokenService } from "../../gen/carillon/v1/token_pb.js";
import { SECRET } from "../access/jwts.js";
import { TestBackend } from "../support/backends/backend.js";
import { startWorker } from "../support/backends/worker.js";
import { connect, type TestClient } from "../support/clients/native.js";
import type { TestNode } from "../support/nodes/node.js";
import { jwt, startWorld, WORLDS } from "./support.js";

/** JSON text that parsing and writing it again would change: digits, escapes, order, duplicates and white space. */
const INFO = '{ "id":1724442618569203714, "b":1.10, "1":-1E-2, "b":[1E5,"\\u00e9\\/"] }';

const VHOST = { jwt, presence: true };

/** Signs a token with the text of its claims as given. */
function tokenOf(claims: string): string {
  const text = ['{"alg":"HS256"}', claims].map((part) => Buffer.from(part).toString("base64url")).join(".");
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

function claimsOf(info: string): string {
  const exp = Math.ceil(Date.now() / 1_000) + 600;
  return `{"sub":"eve","exp":${exp},"permissions":{"call":["*"],"presence":["*"]},"info" : ${info} }`;
}

function enter({ ws }: TestNode, token: string): Promise<TestClient> {
  return connect(`${ws}/ws`, { headers: { authorization: `Bearer ${token}` } });
}

/** Joins `room`, and watches its presence. */
async function watch(node: TestNode, token: string): Promise<TestClient> {
  const client = await enter(node, token);
  client.send({ command: "join", topics: ["room"], presence: true });
  expect(await client.nextText()).toBe('{"topic":"@join","payload":["room"]}');
  return client;
}

describe.each(WORLDS)("A16, O13: info of a user, digit for digit: %s", (kind) => {
  test("reaches members, workers and operators on every node", async () => {
    const { one, other } = await startWorld(kind, { vhosts: { "/": VHOST } });
    // Duplicates are refused in tokens.
    const info = INFO.replace('"b":[', '"c":[');
    const read = { id: 1724442618569203700, b: 1.1, 1: -0.01, c: [100_000, "é/"] };
    const token = tokenOf(claimsOf(info));
    const watcher = await watch(other, token);
    const eve = await enter(one, token);
    await eve.ask({ command: "join", topics: ["room"], id: 1 });
    expect(await watcher.nextText()).toContain(`"user":"eve","info":${info}}],"left":[]}}`);
    watcher.send({ command: "presence", topics: ["room"] });
    expect((await watcher.nextText()).split(`"user":"eve","info":${info}}`)).toHaveLength(3);

    const worker = await startWorker(other, ["sum"]);
    eve.send({ command: "call", topics: ["sum"] });
    expect(await worker.tasks.next()).toMatchObject({ info: read, infoJson: info });

    const backend = new TestBackend(other);
    const { members } = await backend.call(PresenceService.method.getPresence, { topic: "room" });
    expect(members.map((member) => [member.info, member.infoJson])).toEqual([
      [read, info],
      [read, info],
    ]);
    const { connections } = await backend.call(ControlService.method.listConnections, {});
    expect(connections.map(({ infoJson }) => infoJson)).toEqual([info, info]);
  });

  test("arrives when a backend puts it into an issued token", async () => {
    const { one, other } = await startWorld(kind, { vhosts: { "/": VHOST } });
    const backend = new TestBackend(one);
    const permissions = { presence: ["*"] };
    const { token } = await backend.call(TokenService.method.createConnectionToken, { infoJson: INFO, permissions });
    const watcher = await watch(kind === "memory" ? other : one, token);
    watcher.send({ command: "presence", topics: ["room"] });
    expect(await watcher.nextText()).toContain(`"user":"","info":${INFO}}]`);
    const { createAccessToken, createConnectionToken } = TokenService.method;
    for (const method of [createConnectionToken, createAccessToken] as readonly DescMethodUnary[]) {
      const both = await backend.ask(method, { infoJson: "{}", info: {} });
      expect(both).toMatchObject({ status: 3, message: "info and info_json: at most one of the two is allowed" });
      const bad = await backend.ask(method, { infoJson: '{"a":1e999}' });
      expect(bad).toMatchObject({ status: 3, message: "info contains a number that JSON cannot represent" });
    }
  });
});

test("A16, O13: refuses a token whose info holds half a surrogate pair", async () => {
  const { one } = await startWorld("memory", { vhosts: { "/": VHOST } });
  const refused = enter(one, tokenOf(claimsOf('{"name":"\\ud800"}')));
  await expect(refused).rejects.toThrow("401");
});
