import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { DescMethodUnary, JsonObject } from "@bufbuild/protobuf";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { run } from "../../../src/cli/program.js";
import type { ConfigInput } from "../../../src/index.js";
import { pair, signed } from "../../access/jwts.js";
import { jsonBackend } from "../../outbound/hooks/backend.js";
import { bearer, configuredKey, mountsOf, STATUS, TestBackend, until } from "../../support/backends/backend.js";
import { connect, refusedUpgrade, wholeRefusal } from "../../support/clients/native.js";
import { contentOf, Secrets } from "../../support/isolation/secret-search.js";
import { startNats } from "../../support/nats/server.js";
import { startConfigured } from "../../support/nodes/access-cluster.js";
import { type RunningNode, runCarillon } from "../../support/nodes/process.js";
import { temporaryFile, temporaryFolder } from "../../support/temporary-files.js";

const control = ControlService.method;
const tokens = TokenService.method;

/** 43 unique characters. */
const random = (): string => randomBytes(32).toString("base64url");
/** At least 64 characters, as HS512 requires. */
const long = (): string => random() + random();

/** Sends requests to a node and keeps all its answers, to search them for secrets. */
class Probe {
  readonly answers: string[] = [];

  constructor(readonly node: RunningNode) {}

  /** Sends a raw request. @returns its status */
  async get(path: string, headers: Readonly<Record<string, string>> = {}, body?: string): Promise<number> {
    const { hostname, port } = new URL(this.node.http);
    const method = body === undefined ? "GET" : "POST";
    return new Promise((resolve, reject) => {
      const sent = request({ hostname, port, path, method, headers }, (response) => {
        text(response).then((answer) => {
          this.answers.push(JSON.stringify(response.headers), answer);
          resolve(response.statusCode ?? 0);
        }, reject);
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }

  /** @returns the status of a refused upgrade */
  async refused(path: string, headers: Readonly<Record<string, string>>, protocols: string[] = []): Promise<number> {
    const refusal = await wholeRefusal(this.node.ws + path, { headers }, protocols);
    this.answers.push(JSON.stringify(refusal.headers), refusal.body);
    return refusal.status;
  }

  /** Calls through both mounts. @returns the status, which must be equal */
  async call(method: DescMethodUnary, message: object, headers: Readonly<Record<string, string>>): Promise<number> {
    const statuses = new Set<number>();
    for (const caller of mountsOf(this.node)) {
      const { answer, message: words, status } = await caller.call(method, message, headers);
      this.answers.push(words, shown(answer));
      statuses.add(status);
    }
    const [status = -1, ...others] = statuses;
    if (others.length > 0) throw new Error(`${method.name} is answered ${[...statuses].join(" and ")}`);
    return status;
  }
}

function shown(answer: unknown): string {
  return JSON.stringify(answer, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)) ?? "";
}

const { publish } = BroadcastService.method;
const MESSAGE = { messages: [{ topics: ["foo"] }] };

function expiring(secret: string, fromNow = 600, claims: object = {}): Promise<string> {
  return signed(secret, "HS256", { exp: Math.floor(Date.now() / 1_000) + fromNow, ...claims });
}

async function start() {
  const secrets = new Secrets();
  const given = {
    key: secrets.add("configured key", random()),
    jwt: secrets.add("JWT secret", long()),
    tokens: secrets.add("token secret", long()),
    hookKey: secrets.add("hook key", random()),
    jwksQuery: secrets.add("query of a JWKS URL", random()),
    nats: secrets.add("password of NATS in its URL", random()),
  };
  const nats = await startNats(`authorization { user: carillon, password: "${given.nats}" }`);
  const hooks = await jsonBackend();
  const folder = temporaryFolder();
  const events = ["connect", "join", "publish", "disconnect"] as const;
  const config: ConfigInput = {
    log: { level: "debug", format: "json" },
    brokers: {
      nats: { driver: "nats", servers: [nats.url.replace("//", `//carillon:${given.nats}@`)] },
    },
    store: { driver: "file", path: folder },
    vhosts: {
      "/": {
        keys: [configuredKey(given.key, { name: "first", actions: ["*"] })],
        jwt: { secret: given.jwt, leeway: "0" },
        tokens: { secret: given.tokens },
        credentials: { cookie: "session", query: true },
        client_publish: true,
        topics: [{ match: "private", access: "private" }],
      },
      "/hooked": {
        jwt: { secret: given.jwt },
        credentials: { cookie: "session", query: true },
        client_publish: true,
        hooks: { url: hooks.url, key: given.hookKey, events: [...events], timeout: "8s", breaker: { failures: 1 } },
      },
      "/unhooked": {
        jwt: { secret: given.jwt },
        // No server listens there.
        hooks: {
          url: "grpc://127.0.0.1:1",
          key: given.hookKey,
          breaker: { failures: 1 },
        },
      },
      "/issuer": { jwt: { jwks_url: `http://127.0.0.1:1/keys?secret=${given.jwksQuery}` } },
    },
  };
  const node = await startConfigured(config);
  return { config, folder, given, hooks, nats, probe: new Probe(node), secrets };
}

type Started = Awaited<ReturnType<typeof start>>;

/** Uses valid and invalid keys in every place, and calls with them. */
async function useKeys({ given, probe, secrets }: Started): Promise<void> {
  expect(await probe.call(publish, MESSAGE, bearer(given.key))).toBe(STATUS.ok);
  const wrong = secrets.add("wrong key", random());
  for (const authorization of [`Bearer ${wrong}`, `Basic ${given.key}`, `Bearer ${given.key} ${wrong}`, given.key]) {
    expect(await probe.call(publish, MESSAGE, { authorization })).toBe(STATUS.unauthenticated);
  }
  expect(await probe.call(publish, MESSAGE, { ...bearer(given.key), "carillon-vhost": "/hooked" })).toBe(
    STATUS.permissionDenied,
  );

  const path = `/${BroadcastService.typeName}/Publish`;
  const json = { "content-type": "application/json" };
  expect(await probe.get(`${path}?key=${given.key}`, json, "{}")).toBe(401);
  expect(await probe.get(`${path}?key=${given.key}`, { ...json, ...bearer(given.key) }, "{")).toBe(400);
  expect(await probe.get(`/${BroadcastService.typeName}/None?key=${given.key}`, json, "{}")).toBe(501);
  expect(await probe.get(`/none?key=${given.key}`, bearer(given.key))).toBe(404);

  const backend = new TestBackend(probe.node, bearer(given.key));
  for (const [name, actions] of Object.entries({ kept: ["*"], narrow: ["topics"], revoked: ["*"] })) {
    const { key, secret } = await backend.call(control.createKey, { name, actions });
    secrets.add(`key made at run time: ${name}`, secret);
    const allowed = actions.includes("*") ? STATUS.ok : STATUS.permissionDenied;
    expect(await probe.call(publish, MESSAGE, bearer(secret))).toBe(allowed);
    if (name !== "revoked") continue;
    await backend.call(control.revokeKey, { id: key?.id ?? "" });
    expect(await probe.call(publish, MESSAGE, bearer(secret))).toBe(STATUS.unauthenticated);
  }
  expect(await probe.call(control.listKeys, {}, bearer(given.key))).toBe(STATUS.ok);
}

/** Creates vhosts at run time with valid and invalid settings that hold secrets. */
async function useVhosts({ given, hooks, probe, secrets }: Started): Promise<Secrets> {
  const kept = new Secrets();
  const both = (name: string, secret: string): string => kept.add(name, secrets.add(name, secret));
  const settings: JsonObject = {
    jwt: { secret: both("JWT secret of a made vhost", long()) },
    tokens: { secret: both("token secret of a made vhost", long()) },
    hooks: {
      url: hooks.url,
      key: both("hook key of a made vhost", random()),
      events: ["disconnect"],
    },
  };
  const faulty: JsonObject[] = [
    { ...settings, nonsense: true },
    { ...settings, tokens: { secret: secrets.add("short token secret", random()) } },
    { ...settings, jwt: { secrets: secrets.add("misnamed JWT secret", long()) } },
    { ...settings, jwt: { secret: secrets.add("short JWT secret", random().slice(0, 20)) } },
    { ...settings, jwt: { public_key: secrets.add("JWT key that is none", long()) } },
    {
      ...settings,
      jwt: { jwks_url: `https://carillon:${secrets.add("password in a JWKS URL", random())}@127.0.0.1/` },
    },
    { ...settings, hooks: { url: `http://carillon:${secrets.add("password in a hook's URL", random())}@127.0.0.1/` } },
    { ...settings, hooks: { url: `http://127.0.0.1/?key=${secrets.add("query of a hook's URL", random())}` } },
    { ...settings, hooks: { url: `ftp://carillon:${secrets.add("password in a bad URL", random())}@127.0.0.1/` } },
    { ...settings, keys: [{ name: "x", hash: secrets.add("a key as its hash", random()), actions: ["*"] }] },
  ];
  const admin = bearer(given.key);
  for (const one of faulty) {
    expect(await probe.call(control.createVhost, { path: "/made", settings: one }, admin)).toBe(STATUS.invalidArgument);
  }
  const { answer } = await new TestBackend(probe.node, admin).ask(control.createVhost, { path: "/made", settings });
  probe.answers.push(shown(answer));
  expect(await probe.call(control.createVhost, { path: "/made", settings }, admin)).toBe(STATUS.alreadyExists);
  expect(await probe.call(control.updateVhost, { path: "/made", settings }, admin)).toBe(STATUS.ok);
  for (const path of ["/", "/hooked", "/unhooked", "/issuer", "/made"]) {
    expect(await probe.call(control.getVhost, { path }, admin)).toBe(STATUS.ok);
  }
  expect(await probe.call(control.listVhosts, {}, admin)).toBe(STATUS.ok);

  const { secret } = await new TestBackend(probe.node, admin).call(control.createKey, {
    name: "made",
    actions: ["*"],
    vhost: "/made",
  });
  secrets.add("key of a made vhost", secret);
  expect(await probe.call(publish, MESSAGE, bearer(secret))).toBe(STATUS.ok);
  return kept;
}

/** Places of a token in an upgrade: path, headers, subprotocols. */
function ways(token: string): [string, Record<string, string>, string[]][] {
  return [
    ["", { authorization: `Bearer ${token}` }, []],
    ["", {}, ["carillon", `bearer.${token}`]],
    ["", { cookie: `a=b; session=${token}` }, []],
    [`?token=${token}`, {}, []],
  ];
}

/** Uses valid and invalid tokens of every kind in every place. */
async function useTokens({ given, probe, secrets }: Started): Promise<void> {
  const backend = new TestBackend(probe.node, bearer(given.key));
  const jwt = async (name: string, ...args: Parameters<typeof expiring>) => secrets.add(name, await expiring(...args));
  const good = {
    JWT: () => jwt("good JWT", given.jwt, 600, { jti: random() }),
    connection: async () =>
      secrets.add("connection token", (await backend.call(tokens.createConnectionToken, { user: "eve" })).token),
    access: async () =>
      secrets.add("single access token", (await backend.call(tokens.createAccessToken, { user: "eve" })).token),
  };
  const bad = [
    await jwt("expired JWT", given.jwt, -600),
    await jwt("JWT of another secret", long()),
    await jwt("JWT without a user", given.jwt, 600, { sub: "" }),
    await jwt("JWT with odd permissions", given.jwt, 600, { permissions: { join: ["a*b"] } }),
    secrets.add("malformed token", random()),
    secrets.add("malformed JWT", `${random()}.${random()}.${random()}`),
    secrets.add("access token that there is not", randomBytes(64).toString("hex")),
    secrets.add("endless token", random().repeat(210)),
  ];
  for (const make of Object.values(good)) {
    for (const way of [0, 1, 2, 3]) {
      const [query, headers, protocols] = ways(await make())[way] ?? ["", {}, []];
      const client = await connect(`${probe.node.ws}/ws${query}`, { headers }, protocols);
      const fresh = await client.ask({ command: "authenticate", payload: await make(), id: 1 });
      expect(fresh.topic).toBe("@authenticate");
      for (const token of bad) {
        const refused = await client.ask({ command: "authenticate", payload: token, id: 2 });
        expect(refused.error?.code).toBe("unauthenticated");
        const join = await client.ask({ command: "join", topics: ["private"], auth: token, id: 3 });
        expect(join.error?.code).toBe("unauthenticated");
        probe.answers.push(JSON.stringify([refused, join]));
      }
      const { token: auth } = await backend.call(tokens.createChannelToken, { channel: "private" });
      secrets.add("channel token", auth);
      expect((await client.ask({ command: "join", topics: ["private"], auth, id: 4 })).topic).toBe("@join");
      // Not JSON: the reason is logged, and the content is not.
      expect((await client.ask(`{"command":"authenticate","payload":"${auth}"` as never)).topic).toBe("#error");
      client.webSocket.terminate();
      await client.closed;
    }
  }
  for (const token of bad) {
    for (const [query, headers, protocols] of ways(token)) {
      expect(await probe.refused(`/ws${query}`, headers, protocols)).toBe(401);
      expect(await probe.refused(`/ws/none${query}`, headers, protocols)).toBe(404);
    }
    for (const path of ["/", "/none", "/healthz", "/readyz", "/metrics"]) await probe.get(`${path}?token=${token}`);
  }
  const [one, other] = [await good.JWT(), await good.access()];
  expect(await probe.refused(`/ws?token=${one}`, bearer(other))).toBe(400);
  expect(await probe.refused("/ws", {}, [`bearer.${one}`])).toBe(400);
  const theirs = await signed(pair("rsa").privateKey, "RS256", { exp: Math.floor(Date.now() / 1_000) + 600 });
  expect(await probe.refused("/ws/issuer", bearer(secrets.add("JWT of an issuer that is away", theirs)))).toBe(503);
  expect(await probe.get(`/ws?token=${one.padEnd(20_000, "x")}`)).toBe(431);
  expect(await probe.get(`http://[${one}/`)).toBe(400);

  const used = await good.access();
  await connect(`${probe.node.ws}/ws`, { headers: bearer(used) });
  expect(await probe.refused("/ws", bearer(used))).toBe(401);
}

/** Calls a backend that fails until the breaker opens, and one that is unreachable. */
async function useHooks({ given, hooks, probe, secrets }: Started): Promise<void> {
  const token = secrets.add("JWT shown to a vhost with hooks", await expiring(given.jwt, 600, { jti: random() }));
  for (const [query, headers, protocols] of ways(token)) {
    const [path, options] = [`${probe.node.ws}/ws/hooked${query}`, { headers }] as const;
    const opened = connect(path, options, protocols);
    const asked = await hooks.calls.next();
    expect([asked.method, asked.authorization]).toEqual(["OnConnect", bearer(given.hookKey).authorization]);
    asked.answer({});
    const client = await opened;
    client.webSocket.close();
    await client.closed;
    (await hooks.calls.next()).answer({});
  }
  const refused = probe.refused("/ws/hooked", bearer(token));
  (await hooks.calls.next()).fail();
  expect(await refused).toBe(503);
  await probe.node.logged("the backend keeps failing: calls to it are suspended");
  expect(await probe.refused("/ws/unhooked", bearer(token))).toBe(503);
}

test("O10: shows no secret in the log, answers or metrics, and stores only what it must", async () => {
  const started = await start();
  const { folder, nats, probe, secrets } = started;
  await useKeys(started);
  const kept = await useVhosts(started);
  await useTokens(started);
  await useHooks(started);
  // NATS restarts with another password, and refuses the node's.
  await nats.kill();
  nats.reconfigure(`authorization { user: carillon, password: "${random()}" }`);
  await nats.start();
  await until(
    () => probe.get("/readyz"),
    () => probe.node.log.some(({ msg }) => String(msg).includes("AUTHORIZATION_VIOLATION")),
  );
  for (const path of ["/healthz", "/readyz", "/metrics"]) await probe.get(path);

  const stored = contentOf(folder);
  probe.node.child.kill("SIGTERM");
  await probe.node.exited;
  const log = JSON.stringify(probe.node.log) + (await probe.node.stderr);
  expect(log).toContain("the backend keeps failing: calls to it are suspended");
  expect(log).toContain("the issuer's keys cannot be fetched");
  expect(secrets.foundIn(log)).toEqual([]);
  expect(secrets.hashesFoundIn(log)).toEqual([]);

  const answers = probe.answers.join("\n");
  expect(answers).toContain("carillon_hook_calls_total");
  expect(answers).toContain("configured");
  expect(secrets.foundIn(answers)).toEqual([]);
  expect(secrets.hashesFoundIn(answers)).toEqual([]);

  // The store holds the complete settings of vhosts created at run time, but only hashes of keys and tokens.
  expect(secrets.foundIn(stored)).toEqual(kept.names);
  expect(secrets.hashesFoundIn(stored)).not.toEqual([]);
});

const YAML_FAULTS: readonly ((secret: string) => string)[] = [
  (secret) => `vhosts:\n  /:\n    tokens: { secret: "${secret}\n`,
  (secret) => `vhosts:\n  /:\n    tokens: { secret: *${secret} }\n`,
  (secret) => `vhosts:\n  /:\n    tokens:\n      secret: ${secret}: ${secret}\n`,
  (secret) => `vhosts:\n  /:\n    tokens:\n    \tsecret: ${secret}\n`,
  (secret) => `vhosts: { /: { tokens: { secret: "${secret}" } } }`,
  (secret) => `vhosts: { /: { tokens: { secrets: "${secret}" } } }`,
  (secret) => `vhosts: { /: { tokens: "${secret}" } }`,
  (secret) => `vhosts: { /: { jwt: { secret: "${secret}", algorithms: [none] } } }`,
  (secret) => `vhosts: { /: { jwt: { jwks_url: "https://a:${secret}@127.0.0.1/" } } }`,
  (secret) => `vhosts: { /: { keys: [{ name: x, hash: "${secret}", actions: ["*"] }] } }`,
  (secret) => `vhosts: { /: { hooks: { url: "http://a:${secret}@[/" } } }`,
  (secret) => `vhosts: { /: { hooks: { url: "grpc://a:${secret}@127.0.0.1:1" } } }`,
  (secret) => `brokers: { nats: { driver: nats, servers: ["nats://a:${secret}@[:1"] } }`,
  (secret) => `brokers: { nats: { driver: nats, servers: ["nats://127.0.0.1:1"], password: "${secret}" } }`,
];

test("O10: reports faults of a configuration without its secrets", async () => {
  // In this process, because each start of the program takes seconds on a busy machine.
  const errors = jest.spyOn(process.stderr, "write").mockReturnValue(true);
  const output = jest.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    for (const fault of YAML_FAULTS) {
      errors.mockClear();
      output.mockClear();
      const secrets = new Secrets();
      const file = temporaryFile("carillon.yaml", fault(secrets.add("secret", random().replaceAll(/[_-]/g, "x"))));
      await run(["node", "carillon", "serve", "--config", file, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]);
      const [stderr, stdout] = [errors, output].map(({ mock }) =>
        mock.calls.map(([written]) => String(written)).join(""),
      );
      expect([fault(""), process.exitCode, secrets.foundIn(`${stdout}${stderr}`)]).toEqual([fault(""), 2, []]);
      expect(stderr).not.toBe("");
    }
  } finally {
    jest.restoreAllMocks();
    process.exitCode = 0;
  }
});

test("O10: does not repeat refused keys, tokens and passwords on the command line", async () => {
  const secrets = new Secrets();
  const [key, jwt] = [secrets.add("key", random()), secrets.add("JWT secret", long())];
  const keys = [configuredKey(key, { actions: ["*"] })];
  const config: ConfigInput = { vhosts: { "/": { keys, jwt: { secret: jwt, leeway: "0" } } } };
  const node = await startConfigured(config);
  const file = temporaryFile("carillon.yaml", JSON.stringify(config));
  const wrong = secrets.add("wrong key", random());
  const bad = [await expiring(long()), await expiring(jwt, -60), random()].map((one) => secrets.add("bad token", one));
  const nats = await startNats(`authorization { user: carillon, password: "${random()}" }`);
  const url = nats.url.replace("//", `//carillon:${secrets.add("wrong password of NATS", random())}@`);
  const runs = [
    ["publish", "-s", node.http, "--key", wrong, "foo", "x"],
    ["publish", "-s", "127.0.0.1:1", "--key", wrong, "foo", "x"],
    ["publish", "-s", node.http, "--key", wrong, "--vhost", "/none", "foo", "x"],
    ["serve", "--broker", url, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"],
    ...bad.flatMap((token) => [
      ["listen", "-s", node.http, "--token", token, "foo"],
      ["access", "explain", "-c", file, "--token", token, "join", "foo"],
    ]),
  ];
  for (const args of runs) {
    const { code, stderr, stdout } = await runCarillon(args);
    expect([args[0], code === 0, secrets.foundIn(stdout + stderr)]).toEqual([args[0], false, []]);
  }
  expect((await refusedUpgrade(`${node.ws}/ws`, { headers: bearer(wrong) })).status).toBe(401);
});
