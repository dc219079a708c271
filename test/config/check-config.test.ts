import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createLog } from "../../src/observe/log.js";
import { checkConfig } from "../../src/server/check-config.js";
import { type ConfigInput, parseConfig } from "../../src/server/config.js";
import { Server } from "../../src/server/server.js";
import { cleanUp } from "../support/clean-up.js";
import { connectNats } from "../support/nats/client.js";
import { startNats } from "../support/nats/server.js";
import { TestAuthority } from "../support/net/certificates.js";
import { temporaryFile, temporaryFolder } from "../support/temporary-files.js";

const log = createLog({ level: "silent", format: "json" });
const PORTS = { http: "127.0.0.1:0", grpc: "127.0.0.1:0" };

async function problemsOf(input: ConfigInput): Promise<string> {
  return checkConfig(parseConfig({ ...PORTS, ...input }), log).then(
    (notes) => (notes.length === 0 ? "none" : `note: ${notes.join("\n")}`),
    ({ message }: Error) => message,
  );
}

/** "starts", or the reason why a node with this configuration does not start. */
async function start(input: ConfigInput): Promise<string> {
  try {
    const server = new Server(parseConfig({ ...PORTS, ...input }), log);
    cleanUp(() => server.stop());
    await server.start();
    return "starts";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const NATS = { driver: "nats" as const, servers: ["nats://127.0.0.1:4222"] };

test.each<[string, ConfigInput, RegExp]>([
  [
    "a short secret",
    { vhosts: { "/shop": { jwt: { secret: "short" } } } },
    /^vhosts\.\/shop\.jwt\.secret: HS256 requires/,
  ],
  [
    "a secret's file",
    { vhosts: { "/": { jwt: { secret_file: "/nowhere/s" } } } },
    /^vhosts\.\/\.jwt\.secret_file: \/nowhere\/s cannot be read$/,
  ],
  [
    "a token secret's file",
    { vhosts: { "/": { tokens: { secret_file: "/nowhere/s" } } } },
    /^vhosts\.\/\.tokens\.secret/,
  ],
  ["a public key", { vhosts: { "/": { jwt: { public_key: "nonsense" } } } }, /^vhosts\.\/\.jwt\.public_key: /],
  [
    "algorithms",
    { vhosts: { "/": { jwt: { secret: "s".repeat(64), algorithms: ["none"] } } } },
    /\/\.jwt\.algorithms: "none"/,
  ],
  ["a certificate's file", { tls: { cert_file: "/nowhere/c", key_file: "/nowhere/k" } }, /cannot read \/nowhere\/c/],
  [
    "a budget without room for the frames of RootSocket",
    { limits: { receiving: "15MiB", request: "2MiB" } },
    /^limits\.receiving: expected at least 16777216 bytes, because rootsocket accepts frames of 4194304 bytes$/,
  ],
  ["NATS credentials", { brokers: { far: { ...NATS, creds_file: "/nowhere/n" } } }, /creds_file: cannot read the file/],
  [
    "an authority of NATS",
    { brokers: { far: { ...NATS, tls: { ca_file: "/nowhere/a" } } } },
    /tls\.ca_file: cannot read/,
  ],
])("reports configurations that prevent a start: %s", async (_, input, expected) => {
  expect(await problemsOf(input)).toMatch(expected);
  expect(await start(input)).toMatch(expected);
});

test.each(["jwt", "tokens"])("names the setting of a file when its secret is too short: %s", async (key) => {
  const input = { vhosts: { "/shop": { [key]: { secret_file: temporaryFile("secret", "short") } } } };
  expect(await problemsOf(input)).toMatch(`vhosts./shop.${key}.secret_file: HS`);
});

test("reports every fault on a line of its own", async () => {
  const problems = await problemsOf({
    vhosts: { "/": { jwt: { secret: "short" } }, "/shop": { tokens: { secret_file: "/nowhere/s" } } },
    brokers: { near: { driver: "memory" }, far: { ...NATS, nkey_file: "/nowhere/n" } },
    tls: { cert_file: "/nowhere/c", key_file: "/nowhere/k" },
  });
  expect(problems.split("\n").map((line) => line.split(": ")[0])).toEqual([
    "vhosts./.jwt.secret",
    "vhosts./shop.tokens.secret_file",
    "brokers.far",
    "tls",
  ]);
});

test.each(["tokens", "broadcaster", "jwt"] as const)(
  "names the setting of %s whose file has an unsuitable secret",
  async (name) => {
    const file = temporaryFile(
      "key.pem",
      generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }),
    );
    expect(await problemsOf({ vhosts: { "/": { [name]: { secret_file: file } } } })).toMatch(
      new RegExp(`^vhosts\\./\\.${name}\\.secret_file: this is a public key`),
    );
  },
);

test("accepts a valid configuration without network access", async () => {
  let asked = 0;
  const issuer = createServer((_request, response) => {
    asked += 1;
    response.end("{}");
  });
  cleanUp(() => issuer.close());
  await new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  const authority = await TestAuthority.create();
  const { certFile, keyFile } = await authority.issue("localhost");
  const folder = join(temporaryFolder(), "store");
  const input: ConfigInput = {
    vhosts: { "/": { jwt: { jwks_url: `${url}/keys` }, hooks: { url } } },
    store: { driver: "file", path: folder },
    tls: { cert_file: certFile, key_file: keyFile },
  };
  expect(await problemsOf(input)).toBe("none");
  // A request to the issuer would have arrived before this.
  await fetch(url);
  expect(asked).toBe(1);
});

function historyOn(url: string, history: Record<string, object>): ConfigInput {
  return { brokers: { far: { driver: "nats", servers: [url] } }, vhosts: { "/shop": { history } } };
}

test("reports what a NATS server cannot do for the history, and changes nothing there", async () => {
  const folder = temporaryFolder();
  const single = await startNats(`jetstream { store_dir: "${folder}" }`);
  expect(await problemsOf(historyOn(single.url, { chat: {} }))).toBe("none");
  expect(await problemsOf(historyOn(single.url, { chat: { replicas: 3 }, price: {} }))).toBe(
    'brokers.far: history class "chat": the server is not in a cluster, but replicas is 3',
  );
  const connection = await connectNats(single);
  const streams = await (await connection.jetstreamManager()).streams.list().next();
  expect(streams).toEqual([]);

  const limited = await startNats(
    `jetstream { store_dir: "${temporaryFolder()}" }
     accounts { A { users: [{ user: u, password: p }], jetstream { max_file: 32MiB, max_mem: 1GiB, max_streams: 1 } } }`,
  );
  const url = limited.url.replace("nats://", "nats://u:p@");
  expect((await problemsOf(historyOn(url, { chat: {}, price: { storage: "memory" } }))).split("\n")).toEqual([
    expect.stringMatching(
      /^brokers\.far: the history classes need 67108864 bytes of file storage, the account's limit is 3/,
    ),
    "brokers.far: 2 history classes need as many streams, the account's limit is 1",
  ]);
});

test("reports a NATS server without JetStream only where a vhost that uses it has history", async () => {
  const { url } = await startNats();
  expect(await problemsOf(historyOn(url, { chat: {} }))).toMatch(/^brokers\.far: history requires JetStream/);
  expect(await problemsOf(historyOn(url, {}))).toBe("none");
  const near = {
    brokers: { near: { driver: "memory" }, far: { driver: "nats", servers: [url] } },
  } satisfies ConfigInput;
  expect(await problemsOf({ ...near, vhosts: { "/shop": { history: { chat: {} }, brokers: ["near"] } } })).toBe("none");
});

test("H9: notes where topic_bytes bounds only the size of a message, because the class is on NATS", async () => {
  const { url } = await startNats(`jetstream { store_dir: "${temporaryFolder()}" }`);
  const history = { chat: { topic_bytes: "1MiB" }, price: {} };
  expect(await problemsOf(historyOn(url, history))).toBe(
    'note: vhosts./shop.history.chat.topic_bytes: bounds only the size of a message on NATS (broker "far"), not the sum of a topic\'s messages',
  );
  const near = { near: { driver: "memory" }, far: { driver: "nats", servers: [url] } } satisfies ConfigInput["brokers"];
  expect(await problemsOf({ brokers: near, vhosts: { "/shop": { history, brokers: ["near"] } } })).toBe("none");
});

test("notes that a NATS server cannot be reached, and accepts the configuration", async () => {
  const nats = await startNats();
  await nats.kill();
  expect(await problemsOf(historyOn(nats.url, { chat: {} }))).toMatch(
    /^note: brokers\.far: not reachable, so its history was not checked: /,
  );
});
