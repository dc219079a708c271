import type { DescMethodUnary } from "@bufbuild/protobuf";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { pair, pem, raw, SECRET, signed } from "../../access/jwts.js";
import { bearer, configuredKey, STATUS, TestBackend, until } from "../../support/backends/backend.js";
import { connect, refusedUpgrade, type TestClient } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const TOKENS_SECRET = "issued-secret-".padEnd(64, "x");
const OTHER_SECRET = "another-secret-".padEnd(64, "y");

const PERMISSIONS = { join: ["news.*"], publish: ["news.*"] };

/** Claims valid for a minute. */
const claims = (more: object = {}): object => ({ exp: seconds(60), permissions: PERMISSIONS, ...more });

function seconds(fromNow: number): number {
  return Math.floor(Date.now() / 1_000) + fromNow;
}

/** Vhost settings: everything is private, and a token is required. */
const closed = { access: "private", anonymous: { connect: false }, tokens: { secret: TOKENS_SECRET } } as const;

async function startVhosts(): Promise<TestNode> {
  return startNode({
    vhosts: {
      "/": { keys: [configuredKey("key", { actions: ["*"] })] },
      "/hs": { ...closed, jwt: { secret: SECRET, leeway: "0" } },
      "/rs": { ...closed, jwt: { public_key: pem("rsa"), leeway: "0" } },
      "/es": { ...closed, jwt: { public_key: pem("p256"), leeway: "0" } },
      "/ed": { ...closed, jwt: { public_key: pem("ed25519"), leeway: "0" } },
      "/issued": { ...closed, keys: [configuredKey("issued", { actions: ["tokens"] })] },
      // With the same secret, so that only the vhost named in a token separates them.
      "/other": { ...closed, jwt: { secret: SECRET }, keys: [configuredKey("other", { actions: ["tokens"] })] },
      "/anonymous": { access: "private", anonymous: { permissions: PERMISSIONS } },
    },
  });
}

interface Mechanism {
  readonly name: string;
  readonly vhost: string;
  readonly good: (node: TestNode) => Promise<string>;
  /** Invalid credentials, by their fault. */
  readonly bad: (node: TestNode) => Promise<Readonly<Record<string, string>>>;
}

function issued(who: "issued" | "other", node: TestNode): TestBackend {
  return new TestBackend(node, bearer(who));
}

async function connectionToken(node: TestNode, who: "issued" | "other" = "issued"): Promise<string> {
  const request = { user: "eve", permissions: PERMISSIONS };
  return (await issued(who, node).call(TokenService.method.createConnectionToken, request)).token;
}

async function accessToken(node: TestNode, who: "issued" | "other" = "issued", more: object = {}): Promise<string> {
  const request = { user: "eve", permissions: PERMISSIONS, ...more };
  return (await issued(who, node).call(TokenService.method.createAccessToken, request)).token;
}

async function channelToken(node: TestNode, channel: string, who: "issued" | "other" = "issued"): Promise<string> {
  return (await issued(who, node).call(TokenService.method.createChannelToken, { channel })).token;
}

/** Signs a token like one of Carillon's. */
function forged(more: object, secret = TOKENS_SECRET): Promise<string> {
  const given = { applicationIdentifier: "/issued", category: "connect", id: crypto.randomUUID(), carillon: {} };
  return signed(secret, "HS512", { exp: seconds(60), sub: undefined, ...given, ...more });
}

function jwtMechanism(name: string, vhost: string, alg: string, key: Parameters<typeof signed>[0]): Mechanism {
  return {
    name,
    vhost,
    good: () => signed(key, alg, claims()),
    bad: async (node) => {
      const good = await signed(key, alg, claims());
      return {
        expired: await signed(key, alg, claims({ exp: seconds(-1) })),
        "not valid yet": await signed(key, alg, claims({ nbf: seconds(60) })),
        "without an expiry": await signed(key, alg, claims({ exp: undefined })),
        "without a user": await signed(key, alg, claims({ sub: undefined })),
        "of another key": await signed(pair("rsa2").privateKey, "RS256", claims()),
        "of another secret": await signed(OTHER_SECRET, "HS256", claims()),
        "signed with the public key": await signed(pem("rsa"), "HS256", claims()),
        "not signed": raw('{"alg":"none"}', JSON.stringify({ sub: "eve", ...claims() })),
        "cut off": good.slice(0, -4),
        "with other claims": `${good.split(".")[0]}.${Buffer.from('{"sub":"eve","exp":99999999999}').toString("base64url")}.${good.split(".")[2]}`,
        "with permissions that there are not": await signed(key, alg, claims({ permissions: { rule: ["*"] } })),
        "with a pattern that is none": await signed(key, alg, claims({ permissions: { join: ["a*b"] } })),
        "a connection token": await connectionToken(node, "other"),
        "a single access token": await accessToken(node, "other"),
        text: "nonsense",
        "text of three parts": "a.b.c",
        long: "a".repeat(9_000),
      };
    },
  };
}

const mechanisms: readonly Mechanism[] = [
  jwtMechanism("JWT by HS256", "/hs", "HS256", SECRET),
  jwtMechanism("JWT by HS512", "/hs", "HS512", SECRET),
  jwtMechanism("JWT by RS256", "/rs", "RS256", pair("rsa").privateKey),
  jwtMechanism("JWT by PS384", "/rs", "PS384", pair("rsa").privateKey),
  jwtMechanism("JWT by ES256", "/es", "ES256", pair("p256").privateKey),
  jwtMechanism("JWT by EdDSA", "/ed", "EdDSA", pair("ed25519").privateKey),
  {
    name: "connection token",
    vhost: "/issued",
    good: (node) => connectionToken(node),
    bad: async (node) => {
      const good = await connectionToken(node);
      return {
        expired: await forged({ exp: seconds(-1) }),
        "with a session that has ended": await forged({ carillon: { sessionExpires: Date.now() - 1 } }),
        "of another vhost": await connectionToken(node, "other"),
        "of another secret": await forged({}, OTHER_SECRET),
        "of another category": await forged({ category: "channel", channel: "news.1" }),
        "a channel token": await channelToken(node, "news.1"),
        "without an expiry": await forged({ exp: undefined }),
        "without an id": await forged({ id: undefined }),
        "with an id that leads elsewhere": await forged({ id: "../x" }),
        "by another algorithm": await signed(TOKENS_SECRET, "HS256", {
          exp: seconds(60),
          applicationIdentifier: "/issued",
          category: "connect",
          id: "x",
        }),
        "not signed": raw('{"alg":"none"}', JSON.stringify({ exp: seconds(60), category: "connect", id: "x" })),
        "cut off": good.slice(0, -4),
        text: "nonsense",
      };
    },
  },
  {
    name: "single access token",
    vhost: "/issued",
    good: (node) => accessToken(node),
    bad: async (node) => {
      const good = await accessToken(node);
      return {
        "of another vhost": await accessToken(node, "other"),
        unknown: "0".repeat(128),
        "in capitals": good.toUpperCase(),
        "cut off": good.slice(0, -1),
        longer: `${good}0`,
      };
    },
  },
];

const withToken = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

async function expectRights(client: TestClient): Promise<void> {
  expect(await client.ask({ command: "join", topics: ["news.1"], id: 1 })).toMatchObject({ topic: "@join" });
  expect(await client.ask({ command: "join", topics: ["news.1", "secret"], id: 2 })).toEqual({
    topic: "#join",
    payload: ["news.1", "secret"],
    id: 2,
    error: { code: "permission_denied", message: 'this client may not join "secret"' },
  });
  expect(await client.ask({ command: "publish", topics: ["news.2"], payload: "x", id: 3 })).toMatchObject({
    topic: "@publish",
  });
  expect(await client.ask({ command: "publish", topics: ["news.2", "secret"], payload: "x", id: 4 })).toMatchObject({
    topic: "#publish",
    error: { code: "permission_denied", message: 'this client may not publish on "secret"' },
  });
}

describe.each(mechanisms.map((mechanism) => [mechanism.name, mechanism] as const))("A4, A5, A8: %s", (_, mechanism) => {
  test("a valid one connects, joins and publishes only where its permissions allow", async () => {
    const node = await startVhosts();
    const client = await connect(`${node.ws}/ws${mechanism.vhost}`, withToken(await mechanism.good(node)));
    await expectRights(client);
  });

  test("a valid one is answered 401 in another vhost", async () => {
    const node = await startVhosts();
    const vhosts = ["/hs", "/rs", "/es", "/ed", "/issued"].filter((vhost) => vhost !== mechanism.vhost);
    for (const vhost of vhosts) {
      const { status } = await refusedUpgrade(`${node.ws}/ws${vhost}`, withToken(await mechanism.good(node)));
      expect([vhost, status]).toEqual([vhost, 401]);
    }
  });

  test("an invalid one is answered 401, and changes nothing on a live connection", async () => {
    const node = await startVhosts();
    const url = `${node.ws}/ws${mechanism.vhost}`;
    const client = await connect(url, withToken(await mechanism.good(node)));
    for (const [why, token] of Object.entries(await mechanism.bad(node))) {
      const { body, status } = await refusedUpgrade(url, withToken(token));
      expect([why, status]).toEqual([why, 401]);
      expect(body).not.toContain(token);
      const answer = await client.ask({ command: "authenticate", payload: token, id: why });
      expect(answer).toMatchObject({ topic: "#authenticate", id: why, error: { code: "unauthenticated" } });
    }
    await expectRights(client);
  });
});

test("A8: refuses an access token that has expired or was used", async () => {
  const node = await startVhosts();
  const url = `${node.ws}/ws/issued`;
  const used = await accessToken(node);
  await connect(url, withToken(used));
  expect((await refusedUpgrade(url, withToken(used))).status).toBe(401);

  const short = await accessToken(node, "issued", { lifetime: { seconds: 1n } });
  const end = Date.now() + 1_001;
  await until(
    () => refusedUpgrade(url),
    () => Date.now() > end,
  );
  expect((await refusedUpgrade(url, withToken(short))).status).toBe(401);
});

const joinWith = (topics: readonly string[], auth: string) => ({ command: "join", topics, auth, id: 1 });

describe("A8, W16: a channel token in a join", () => {
  test("grants its channel to any client that presents it, and no other channel", async () => {
    const node = await startVhosts();
    const client = await connect(`${node.ws}/ws/issued`, withToken(await connectionToken(node)));
    const auth = await channelToken(node, "secret");
    const refused = { topic: "#join", error: { code: "unauthenticated" } };
    expect(await client.ask(joinWith(["secret", "secret2"], auth))).toMatchObject(refused);
    expect(await client.ask(joinWith(["secret2"], auth))).toMatchObject(refused);
    expect(await client.ask({ command: "join", topics: ["secret"], id: 1 })).toMatchObject({ topic: "#join" });
    expect(await client.ask(joinWith(["secret", "news.1"], auth))).toMatchObject({ topic: "@join" });
    expect(await client.ask({ command: "publish", topics: ["secret"], payload: "", id: 1 })).toMatchObject({
      topic: "#publish",
      error: { code: "permission_denied" },
    });
  });

  test("grants nothing when it is invalid, and takes nothing away that permissions grant", async () => {
    const node = await startVhosts();
    const client = await connect(`${node.ws}/ws/issued`, withToken(await connectionToken(node)));
    const channel = { category: "channel", channel: "secret" };
    const bad = {
      expired: await forged({ ...channel, exp: seconds(-1) }),
      "of another vhost": await channelToken(node, "secret", "other"),
      "of another secret": await forged(channel, OTHER_SECRET),
      "for another channel": await channelToken(node, "secre*"),
      "a connection token": await connectionToken(node),
      "a single access token": await accessToken(node),
      text: "nonsense",
      empty: "",
    };
    for (const [why, auth] of Object.entries(bad)) {
      const answer = await client.ask({ command: "join", topics: ["secret"], auth, id: why });
      expect(answer).toMatchObject({ topic: "#join", id: why, error: { code: "unauthenticated" } });
      expect(answer.error?.message).not.toContain(auth === "" ? "\0" : auth);
    }
    expect(await client.ask({ command: "join", topics: ["secret"], auth: 1, id: 1 })).toMatchObject({
      error: { code: "invalid_argument" },
    });
    expect(await client.ask({ command: "join", topics: ["news.1"], auth: "nonsense", id: 1 })).toMatchObject({
      topic: "@join",
    });
  });

  test("is issued only for topics within the scope of the backend's key", async () => {
    const keys = [configuredKey("narrow", { actions: ["tokens"], topics: ["orders.*"] })];
    const backend = new TestBackend(await startNode({ vhosts: { "/": { keys } } }), bearer("narrow"));
    const { createAccessToken, createChannelToken, createConnectionToken } = TokenService.method;
    expect((await backend.ask(createChannelToken, { channel: "news" })).status).toBe(STATUS.permissionDenied);
    const methods: DescMethodUnary[] = [createConnectionToken, createAccessToken];
    for (const method of methods) {
      for (const action of ["join", "publish", "presence", "history"]) {
        for (const pattern of ["*", "news", "orders.>", "orders.*.x", "re:.*"]) {
          const { status } = await backend.ask(method, { permissions: { [action]: [pattern] } });
          expect([action, pattern, status]).toEqual([action, pattern, STATUS.permissionDenied]);
        }
      }
      const { status } = await backend.ask(method, { permissions: { join: ["orders.*", "orders.1"] } });
      expect(status).toBe(STATUS.ok);
    }
  });
});

describe("A7: anonymous clients", () => {
  test("have only the permissions that the vhost grants", async () => {
    const node = await startVhosts();
    await expectRights(await connect(`${node.ws}/ws/anonymous`));
  });

  test("A4: are answered 401 where a token is required, and 404 for an unknown vhost", async () => {
    const node = await startVhosts();
    expect((await refusedUpgrade(`${node.ws}/ws/hs`)).status).toBe(401);
    for (const path of ["/ws/none", "/ws/", "/ws/hs/", "/ws//hs", "/ws/HS", "/ws/%68s", "/ws/hs/x", "/wshs"]) {
      expect([path, (await refusedUpgrade(node.ws + path)).status]).toEqual([path, 404]);
    }
  });

  test("A4: do not include clients with an invalid token", async () => {
    const node = await startVhosts();
    expect((await refusedUpgrade(`${node.ws}/ws/anonymous`, withToken("nonsense"))).status).toBe(401);
  });
});

function startWith(more: object): Promise<TestNode> {
  return startNode({ vhosts: { "/": { ...closed, jwt: { secret: SECRET }, ...more } } });
}

/** URL, subprotocols and headers for each place of a token. */
function ways(url: string, token: string) {
  return {
    header: [url, [], { authorization: `Bearer ${token}` }],
    protocol: [url, ["carillon", `bearer.${token}`], {}],
    cookie: [url, [], { cookie: `a=b; session=${token}` }],
    query: [`${url}?token=${token}`, [], {}],
  } as const;
}

describe("A4: places of a token", () => {
  test("default to header and subprotocol, without cookie and query", async () => {
    const node = await startWith({});
    const found = ways(`${node.ws}/ws`, await signed(SECRET, "HS256", claims()));
    for (const way of ["header", "protocol"] as const) {
      const [url, protocols, headers] = found[way];
      const { webSocket } = await connect(url, { headers }, protocols);
      expect(webSocket.protocol).toBe(way === "protocol" ? "carillon" : "");
    }
    for (const way of ["cookie", "query"] as const) {
      const [url, , headers] = found[way];
      expect([way, (await refusedUpgrade(url, { headers })).status]).toEqual([way, 401]);
    }
  });

  test("can each be enabled", async () => {
    const node = await startWith({ credentials: { cookie: "session", query: true } });
    const token = await signed(SECRET, "HS256", claims());
    for (const [url, protocols, headers] of Object.values(ways(`${node.ws}/ws`, token))) {
      const { webSocket } = await connect(url, { headers }, protocols);
      expect(webSocket.readyState).toBe(webSocket.OPEN);
    }
  });

  test("can each be disabled", async () => {
    const node = await startWith({ credentials: { header: false, protocol: false } });
    const token = await signed(SECRET, "HS256", claims());
    for (const [url, protocols, headers] of Object.values(ways(`${node.ws}/ws`, token))) {
      expect((await refusedUpgrade(url, { headers }, protocols)).status).toBe(401);
    }
  });

  test("may repeat one token; two different ones are 400, and an invalid one in any place is 401", async () => {
    const node = await startWith({ credentials: { cookie: "session", query: true } });
    const one = await signed(SECRET, "HS256", claims());
    const other = await signed(SECRET, "HS256", claims({ sub: "adam" }));
    await connect(`${node.ws}/ws?token=${one}`, withToken(one));
    expect((await refusedUpgrade(`${node.ws}/ws?token=${one}`, withToken(other))).status).toBe(400);
    for (const [url, protocols, headers] of Object.values(ways(`${node.ws}/ws`, "nonsense"))) {
      const { body, status } = await refusedUpgrade(url, { headers }, protocols);
      expect(status).toBe(401);
      expect(body).not.toContain("nonsense");
    }
  });
});
