import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { SECRET, signed } from "../../access/jwts.js";
import { TestBackend, until } from "../../support/backends/backend.js";
import { connect, refusedUpgrade, type TestClient, untilRefused } from "../../support/clients/native.js";
import { LOAD } from "../../support/load.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

type VhostInput = NonNullable<NonNullable<Parameters<typeof startNode>[0]>["vhosts"]>[string];

const jwt = { secret: SECRET, leeway: "0" };

function start(vhost: VhostInput): Promise<TestNode> {
  return startNode({ vhosts: { "/": { jwt, ...vhost } } });
}

interface Claims {
  readonly sub?: string;
  /** In milliseconds since the epoch, rounded up to seconds; default: a minute from now. */
  readonly expires?: number;
  readonly permissions?: object;
}

function token({ expires = Date.now() + 60_000, ...claims }: Claims = {}): Promise<string> {
  return signed(SECRET, "HS256", { ...claims, exp: Math.ceil(expires / 1_000) });
}

async function enter(node: TestNode, claims: Claims = {}): Promise<TestClient> {
  return connect(`${node.ws}/ws`, { headers: { authorization: `Bearer ${await token(claims)}` } });
}

const authenticate = (payload: string) => ({ command: "authenticate", payload, id: "authenticate" });

/** Lets a session expire. @returns the number of commands that were refused between the expiry and the close */
async function expire(): Promise<number> {
  const node = await start({ client_publish: true });
  // The sweep runs every second from the first session with an expiry, here half a second after whole seconds, so
  // that there is time between a session's end and its sweep.
  await until(
    () => refusedUpgrade(`${node.ws}/none`),
    () => Date.now() % 1_000 >= 450 && Date.now() % 1_000 < 550,
  );
  await enter(node, { expires: Date.now() + 60_000 });
  const expires = Math.ceil((Date.now() + 4_100) / 1_000) * 1_000;
  const client = await enter(node, { expires });
  await client.join("foo");
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("foo");
  let refused = 0;
  for (;;) {
    const late = Date.now() >= expires;
    const answer = await client.ask({ command: "publish", topics: ["bar"], payload: "", id: 1 }).catch(() => undefined);
    if (answer === undefined) break;
    if (!late) continue;
    refused += 1;
    expect(answer).toMatchObject({
      topic: "#publish",
      error: { code: "unauthenticated", message: "the token has expired" },
    });
  }
  expect(await client.closed).toEqual({ code: 4401, reason: "token expired: connect with a new one" });
  expect(Date.now()).toBeLessThan(expires + 1_000 * LOAD);
  expect(Date.now()).toBeGreaterThanOrEqual(expires);
  expect(listener.webSocket.readyState).toBe(listener.webSocket.OPEN);
  return refused;
}

describe("A5: expiry", () => {
  test("closes the session with 4401 within a second, and refuses commands after it", async () => {
    let refused = 0;
    // On a loaded machine, no command may be answered in the half second between a session's end and its sweep.
    for (let session = 0; session < 5 && refused === 0; session += 1) refused = await expire();
    expect(refused).toBeGreaterThan(0);
  });

  test("W15: is extended by a fresh token, which keeps the topics, also late until the close", async () => {
    const node = await start({});
    const expires = Math.ceil((Date.now() + 4_100) / 1_000) * 1_000;
    const kept = await enter(node, { sub: "eve", expires });
    const lost = await enter(node, { sub: "adam", expires });
    await kept.join("foo");
    const answer = await kept.ask(authenticate(await token({ sub: "eve" })));
    expect(answer).toEqual({ topic: "@authenticate", payload: [], id: "authenticate" });
    expect((await lost.closed).code).toBe(4401);
    await new TestBackend(node).say("foo", "still there");
    expect(await kept.next()).toEqual({ topic: "foo", payload: "still there" });
  });

  test("W15: may be moved earlier by a fresh token", async () => {
    const node = await start({});
    const client = await enter(node, { sub: "eve" });
    await client.ask(authenticate(await token({ sub: "eve", expires: Date.now() + 4_000 })));
    expect((await client.closed).code).toBe(4401);
  });

  test("A8: of a session is independent of its connection token's", async () => {
    const node = await start({});
    const backend = new TestBackend(node);
    const { createConnectionToken } = TokenService.method;
    const lifetime = { seconds: 5n };
    const { token: long } = await backend.call(createConnectionToken, { user: "eve", lifetime });
    const sessionExpires = { seconds: BigInt(Math.ceil((Date.now() + 5_500) / 1_000)) };
    const { token: short } = await backend.call(createConnectionToken, { user: "eve", lifetime, sessionExpires });
    const [stays, ends] = await Promise.all(
      [long, short].map((one) => connect(`${node.ws}/ws`, { headers: { authorization: `Bearer ${one}` } })),
    );
    expect((await ends?.closed)?.code).toBe(4401);
    expect(await stays?.ask({ command: "join", topics: ["foo"] })).toMatchObject({ topic: "@join" });
    expect((await refusedUpgrade(`${node.ws}/ws`, { headers: { authorization: `Bearer ${long}` } })).status).toBe(401);
  });
});

describe("W15: a fresh token", () => {
  test("is refused for another user, and changes nothing", async () => {
    const node = await start({ access: "private" });
    const client = await enter(node, { sub: "eve", permissions: { join: ["foo"] } });
    const answer = await client.ask(authenticate(await token({ sub: "adam", permissions: { join: ["bar"] } })));
    expect(answer).toMatchObject({ topic: "#authenticate", error: { code: "failed_precondition" } });
    await client.join("foo");
    expect(await client.ask({ command: "join", topics: ["bar"] })).toMatchObject({ topic: "#join" });
  });

  test("gives an anonymous client a user and permissions", async () => {
    const node = await start({ access: "private" });
    const client = await connect(`${node.ws}/ws`);
    expect(await client.ask({ command: "join", topics: ["foo"] })).toMatchObject({ topic: "#join" });
    await client.ask(authenticate(await token({ sub: "eve", permissions: { join: ["foo"] } })));
    await client.join("foo");
    expect(await client.ask(authenticate(await token({ sub: "adam" })))).toMatchObject({ topic: "#authenticate" });
  });

  test("W17: removes the client from topics that only the old permissions allowed, and notifies it", async () => {
    const node = await start({
      access: "private",
      topics: [{ match: "open", access: "open" }],
      anonymous: { permissions: { join: ["granted"] } },
    });
    const backend = new TestBackend(node);
    const client = await enter(node, { sub: "eve", permissions: { join: ["a", "b", "c"] } });
    const { token: auth } = await backend.call(TokenService.method.createChannelToken, { channel: "channel" });
    await client.join("a", "b", "c", "open", "granted");
    expect(await client.ask({ command: "join", topics: ["channel"], auth })).toMatchObject({ topic: "@join" });

    expect(await client.ask(authenticate(await token({ sub: "eve", permissions: { join: ["b"] } })))).toMatchObject({
      topic: "@authenticate",
    });
    expect(await client.next()).toEqual({ topic: "@leave", payload: ["a", "c"] });
    for (const topic of ["a", "b", "c", "open", "granted", "channel"]) await backend.say(topic, topic);
    for (const topic of ["b", "open", "granted", "channel"]) {
      expect(await client.next()).toEqual({ topic, payload: topic });
    }
    await client.join("b");
    expect(client.unread).toEqual([]);
  });

  test("is refused when empty or malformed", async () => {
    const node = await start({});
    const client = await enter(node);
    expect(await client.ask(authenticate(""))).toMatchObject({ error: { code: "invalid_argument" } });
    expect(await client.ask({ command: "authenticate", payload: {}, id: 1 })).toMatchObject({
      error: { code: "invalid_argument" },
    });
    expect(await client.ask(authenticate("nonsense"))).toMatchObject({ error: { code: "unauthenticated" } });
  });
});

const refusalOf = async (node: TestNode, options = {}) => refusedUpgrade(`${node.ws}/ws`, options);

const from = (address: string) => ({ headers: { "x-forwarded-for": address } });

async function leave(client: TestClient): Promise<void> {
  client.webSocket.close();
  await client.closed;
}

describe("A11: limits of connections", () => {
  test("of a vhost: answers 429 above the limit until one has ended; another vhost has its own", async () => {
    const node = await startNode({ vhosts: { "/": { limits: { connections: 2 } }, "/other": {} } });
    const first = await connect(`${node.ws}/ws`);
    await connect(`${node.ws}/ws`);
    expect(await refusalOf(node)).toEqual({
      status: 429,
      body: '{"code":"resource_exhausted","message":"this vhost has reached its connection limit"}\n',
    });
    await connect(`${node.ws}/ws/other`);
    await leave(first);
    await connect(`${node.ws}/ws`);
    expect((await refusalOf(node)).status).toBe(429);
  });

  test("of a user: apply to tokens at connect and to fresh tokens, whose connection keeps its user", async () => {
    const node = await start({ limits: { connections_per_user: 2 } });
    const first = await enter(node, { sub: "eve" });
    const second = await connect(`${node.ws}/ws`);
    await second.ask(authenticate(await token({ sub: "eve" })));
    const third = await connect(`${node.ws}/ws`);
    const headers = { authorization: `Bearer ${await token({ sub: "eve" })}` };
    expect(await refusalOf(node, { headers })).toMatchObject({ status: 429 });
    expect(await third.ask(authenticate(await token({ sub: "eve" })))).toMatchObject({
      topic: "#authenticate",
      error: { code: "resource_exhausted" },
    });
    await enter(node, { sub: "adam" });
    await leave(first);
    expect(await third.ask(authenticate(await token({ sub: "eve" })))).toMatchObject({ topic: "@authenticate" });
    expect(await third.ask(authenticate(await token({ sub: "eve" })))).toMatchObject({ topic: "@authenticate" });
    await leave(second);
    await enter(node, { sub: "eve" });
    expect((await refusalOf(node, { headers })).status).toBe(429);
  });

  test("of a user: do not count a refused connection for the vhost", async () => {
    const node = await start({ limits: { connections: 2, connections_per_user: 1 } });
    await enter(node, { sub: "eve" });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const headers = { authorization: `Bearer ${attempt === 1 ? "nonsense" : await token({ sub: "eve" })}` };
      expect((await refusalOf(node, { headers })).status).toBe(attempt === 1 ? 401 : 429);
    }
    await enter(node, { sub: "adam" });
  });

  test("A11, A12: of an address, as a trusted proxy reports it; an IPv6 network of 64 bits is one", async () => {
    const node = await startNode({
      trusted_proxies: ["127.0.0.1"],
      vhosts: { "/": { limits: { connections_per_address: 1 } } },
    });
    await connect(`${node.ws}/ws`, from("192.0.2.1"));
    await connect(`${node.ws}/ws`, from("192.0.2.2"));
    await connect(`${node.ws}/ws`, from("2001:db8::1"));
    await connect(`${node.ws}/ws`, from("2001:db8:0:1::1"));
    for (const address of ["192.0.2.1", "10.9.9.9, 192.0.2.1", "::ffff:192.0.2.1", "2001:db8::ffff:2"]) {
      expect([address, (await refusalOf(node, from(address))).status]).toEqual([address, 429]);
    }
  });

  test("A12: ignores the address that an untrusted peer reports", async () => {
    const node = await startNode({ vhosts: { "/": { limits: { connections_per_address: 1 } } } });
    await connect(`${node.ws}/ws`);
    expect((await refusalOf(node, { headers: { "x-forwarded-for": "192.0.2.1" } })).status).toBe(429);
  });

  test("answer 429 with Retry-After above the handshakes per second", async () => {
    const node = await startNode({ vhosts: { "/": { limits: { handshakes_per_second: 1 } } } });
    await connect(`${node.ws}/ws`);
    const { headers, status } = await untilRefused(`${node.ws}/ws`);
    expect([status, headers["retry-after"]]).toEqual([429, "1"]);
  });
});

describe("A11: limits of a session", () => {
  test("refuse commands above the rate, keep the session, and count sessions separately", async () => {
    const node = await startNode({ vhosts: { "/": { limits: { commands_per_second: 10 } } } });
    const client = await connect(`${node.ws}/ws`);
    const other = await connect(`${node.ws}/ws`);
    const answers = [];
    const begin = Date.now();
    for (let id = 0; id < 40; id += 1) client.send({ command: "leave", topics: ["foo"], id });
    for (let id = 0; id < 40; id += 1) answers.push(await client.next());
    const allowed = answers.filter(({ topic }) => topic === "@leave").length;
    expect(answers.map(({ id }) => id)).toEqual(Array.from({ length: 40 }, (_, id) => id));
    expect(allowed).toBeGreaterThanOrEqual(10);
    expect(allowed).toBeLessThanOrEqual(11 + (Date.now() - begin) / 100);
    expect(answers.find(({ topic }) => topic === "#leave")?.error?.code).toBe("resource_exhausted");
    await other.join("foo");
    await until(
      () => client.ask({ command: "join", topics: ["foo"], id: 1 }),
      ({ topic }) => topic === "@join",
    );
  });

  test("refuse published bytes above the rate", async () => {
    const node = await startNode({
      vhosts: { "/": { client_publish: true, limits: { publish_bytes_per_second: 1_000 } } },
    });
    const client = await connect(`${node.ws}/ws`);
    const listener = await connect(`${node.ws}/ws`);
    await listener.join("foo");
    const publish = (length: number) =>
      client.ask({ command: "publish", topics: ["foo"], payload: "x".repeat(length) });
    expect((await publish(900)).topic).toBe("@publish");
    expect((await publish(900)).topic).toBe("#publish");
    await client.join("bar");
    await until(
      () => publish(500),
      ({ topic }) => topic === "@publish",
    );
    expect(String((await listener.next()).payload)).toHaveLength(900);
    expect(String((await listener.next()).payload)).toHaveLength(500);
  });

  test("count published bytes once for each topic", async () => {
    const node = await startNode({
      vhosts: { "/": { client_publish: true, limits: { publish_bytes_per_second: 1_000 } } },
    });
    const client = await connect(`${node.ws}/ws`);
    const topics = Array.from({ length: 100 }, (_, number) => `foo${number}`);
    const publish = { command: "publish", topics, payload: "x".repeat(100), id: 1 };
    // A full bucket lets a larger message pass, which then leaves it in debt.
    expect((await client.ask(publish)).topic).toBe("@publish");
    expect(await client.ask({ ...publish, topics: ["foo"] })).toMatchObject({ error: { code: "resource_exhausted" } });
  });

  test("L4: refuse too many topics before checking each", async () => {
    const node = await startNode({ limits: { topics_per_connection: 10 } });
    const client = await connect(`${node.ws}/ws`);
    const topics = Array.from({ length: 50_000 }, (_, number) => `foo${number}`);
    expect(await client.ask({ command: "join", topics, id: 1 })).toMatchObject({
      error: { code: "resource_exhausted", message: "50000 topics, the limit is 10" },
    });
  });

  test("L4: bound the topics of a connection, the vhost's limit before the node's, all or nothing", async () => {
    const node = await startNode({
      limits: { topics_per_connection: 3 },
      vhosts: {
        "/": { limits: { topics_per_connection: 2 } },
        "/other": {},
        "/more": { limits: { topics_per_connection: 4 } },
      },
    });
    for (const [path, most] of [
      ["", 2],
      ["/other", 3],
      ["/more", 4],
    ] as const) {
      const client = await connect(`${node.ws}/ws${path}`);
      const topics = Array.from({ length: most + 1 }, (_, number) => `foo${number}`);
      expect(await client.ask({ command: "join", topics, id: 1 })).toMatchObject({
        error: { code: "resource_exhausted" },
      });
      await client.join(...topics.slice(1));
      expect(await client.ask({ command: "join", topics: ["foo0"], id: 1 })).toMatchObject({ topic: "#join" });
      await client.ask({ command: "leave", topics: ["foo1"] });
      await client.join("foo0");
    }
  });

  test("A7: bound the sessions of a topic", async () => {
    const node = await startNode({ vhosts: { "/": { topics: [{ match: "duel.*", max_sessions: 2 }] } } });
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => connect(`${node.ws}/ws`)));
    if (one === undefined || two === undefined || three === undefined) throw new Error("no clients");
    await one.join("duel.1");
    await two.join("duel.1");
    await two.join("duel.1");
    expect(await three.ask({ command: "join", topics: ["other", "duel.1"], id: 1 })).toMatchObject({
      topic: "#join",
      error: { code: "resource_exhausted" },
    });
    await three.join("duel.2", "other");
    await one.ask({ command: "leave", topics: ["duel.1"] });
    await three.join("duel.1");
    expect(await one.ask({ command: "join", topics: ["duel.1"] })).toMatchObject({ topic: "#join" });
  });

  test("A7: bound the sessions of a topic when many join at once", async () => {
    const node = await startNode({ vhosts: { "/": { topics: [{ match: "duel", max_sessions: 2 }] } } });
    const clients = await Promise.all(Array.from({ length: 10 }, () => connect(`${node.ws}/ws`)));
    const answers = await Promise.all(clients.map((client) => client.ask({ command: "join", topics: ["duel"] })));
    expect(answers.filter(({ topic }) => topic === "@join")).toHaveLength(2);
  });
});
