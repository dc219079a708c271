import { decodeJwt } from "jose";
import { Permissions } from "../../src/access/decide/permissions.js";
import { CLOCK_TOLERANCE, LEASE_TIME, Leases } from "../../src/access/tokens/leases.js";
import { TokenIssuer } from "../../src/access/tokens/token-issuer.js";
import { TokenSecret } from "../../src/access/tokens/token-secret.js";
import { TokenVerifier } from "../../src/access/tokens/token-verifier.js";
import { CarillonError } from "../../src/errors.js";
import { MemoryStore } from "../../src/store/memory.js";
import type { Store } from "../../src/store/store.js";
import { cleanUp } from "../support/clean-up.js";
import type { ManualClock } from "../support/manual-clock.js";
import { clockAt, NOW, raw, SECOND } from "./jwts.js";

interface Node {
  readonly issuer: TokenIssuer;
  readonly verifier: TokenVerifier;
  readonly leases: Leases;
}

/** Nodes of a cluster that share only the store and the time. */
class Cluster {
  readonly clock: ManualClock = clockAt();
  readonly store: Store = new MemoryStore({ clock: this.clock, onError: fail });

  node(vhost = "/", secret = TokenSecret.stored(this.store, vhost), store = this.store): Node {
    const leases = new Leases({ store, clock: this.clock });
    cleanUp(() => leases.stop());
    void leases.start();
    return {
      leases,
      issuer: new TokenIssuer({ vhost, secret, store, clock: this.clock }),
      verifier: new TokenVerifier({ vhost, secret, store, leases, clock: this.clock }),
    };
  }
}

function fail(message: string): void {
  throw new Error(message);
}

/** "in", or the code and the text for the client. */
function outcome(result: Promise<unknown>): Promise<string> {
  return result.then(
    () => "in",
    (error: CarillonError) => `${error.code}: ${error.message}`,
  );
}

/** Waits for background work, which uses only memory here. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Two nodes. The first can be cut off from the store, like a killed node. */
function withCuttableNode() {
  const cluster = new Cluster();
  const store = new FlakyStore(cluster.store);
  return { cluster, store, one: cluster.node("/", TokenSecret.stored(store, "/"), store), two: cluster.node() };
}

test("issues a connection token with RootSocket's claims and the bearer", async () => {
  const { issuer, verifier } = new Cluster().node("/shop");
  const bearer = {
    user: "eve",
    info: '{ "name":"Eve", "id":1724442618569203714 }',
    permissions: Permissions.of({ join: ["a*"] }),
    sessionExpires: NOW + 3_600_000,
  };
  const { expires, token } = await issuer.createConnectionToken(bearer, { allowClientSend: true }, 60_000);
  const claims = decodeJwt(token);
  expect(claims).toEqual({
    exp: SECOND + 60,
    applicationIdentifier: "/shop",
    id: expect.stringMatching(/^[\w-]{36}$/) as string,
    category: "connect",
    allowClientSend: true,
    allowClientData: true,
    allowChannelSubscription: true,
    allowChannelAuthorization: true,
    carillon: { user: "eve", info_json: bearer.info, permissions: { join: ["a*"] }, sessionExpires: NOW + 3_600_000 },
  });
  expect(JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString())).toEqual({
    alg: "HS512",
    typ: "JWT",
  });
  expect(expires).toBe(NOW + 60_000);
  const { principal, settings } = await verifier.read(token);
  expect(principal).toMatchObject({ user: "eve", info: bearer.info, expires: NOW + 3_600_000 });
  expect(principal.permissions.grants).toEqual({ join: ["a*"] });
  expect(settings).toEqual({ allowClientSend: true, allowChannelSubscription: true, allowChannelAuthorization: true });
});

test("O13: keeps the text of a token's info, as an object where that loses nothing", async () => {
  const { issuer, verifier } = new Cluster().node();
  const deep = `{"a":${"[".repeat(29)}1.10${"]".repeat(29)}}`;
  for (const info of ["{}", '{"name":"Eve","on":true}', '{ "name":"Eve"}', '{"a":1,"a":2}', '{"2":1,"1":2}', deep]) {
    const { token } = await issuer.createConnectionToken({ info });
    expect((await verifier.read(token)).principal.info).toBe(info);
    expect((await verifier.useAccessToken((await issuer.createAccessToken({ info })).token)).info).toBe(info);
    const { carillon } = decodeJwt(token) as { readonly carillon: object };
    const isPlain = JSON.stringify(JSON.parse(info)) === info && info !== deep;
    expect(carillon).toEqual(isPlain ? { info: JSON.parse(info) as object } : { info_json: info });
  }
});

test("issues an anonymous token with its own id and RootSocket's defaults", async () => {
  const { issuer, verifier } = new Cluster().node();
  const [one, other] = [await issuer.createConnectionToken({}), await issuer.createConnectionToken({})];
  expect(decodeJwt(one.token)["id"]).not.toBe(decodeJwt(other.token)["id"]);
  expect(one.expires).toBe(NOW + 300_000);
  expect((await verifier.read(one.token)).principal).toMatchObject({ user: undefined, expires: undefined, info: "{}" });
  expect((await verifier.read(one.token)).settings.allowClientSend).toBe(false);
});

test("accepts tokens until they expire", async () => {
  const cluster = new Cluster();
  const { issuer, verifier } = cluster.node();
  cluster.clock.advance(500);
  const connection = await issuer.createConnectionToken({}, {}, 1_000);
  const channel = await issuer.createChannelToken("c", 1_000);
  const access = await issuer.createAccessToken({}, 1_000);
  cluster.clock.advance(999);
  expect(await outcome(verifier.read(connection.token))).toBe("in");
  expect(await outcome(verifier.checkChannel(channel.token, "c"))).toBe("in");
  cluster.clock.advance(501);
  expect(await outcome(verifier.takeConnection(connection.token))).toMatch(/unauthenticated.*expired/);
  expect(await outcome(verifier.checkChannel(channel.token, "c"))).toMatch(/unauthenticated.*expired/);
  expect(await outcome(verifier.useAccessToken(access.token))).toMatch(/unauthenticated.*expired/);
});

test("limits a token's expiry to the longest lifetime", async () => {
  const cluster = new Cluster();
  cluster.clock.advance(750);
  const { issuer } = cluster.node();
  expect((await issuer.createConnectionToken({})).expires).toBeLessThanOrEqual(cluster.clock.now() + 300_000);
});

test.each([0, 999, 300_001, Number.NaN, Number.POSITIVE_INFINITY, -1])(
  "refuses a lifetime of %d ms",
  async (lifetime) => {
    const { issuer } = new Cluster().node();
    expect(await outcome(issuer.createConnectionToken({}, {}, lifetime))).toMatch(/^invalid_argument: lifetime/);
    expect(await outcome(issuer.createChannelToken("c", lifetime))).toMatch(/^invalid_argument: lifetime/);
    expect(await outcome(issuer.createAccessToken({}, lifetime === 300_001 ? 86_400_001 : lifetime))).toMatch(
      /^invalid_argument: lifetime/,
    );
  },
);

test.each([
  [{ user: "" }, "user"],
  [{ user: "a\nb" }, "user"],
  [{ info: JSON.stringify({ x: "x".repeat(5_000) }) }, "info"],
  [{ info: "{" }, "info is not JSON"],
  [{ info: "[]" }, "info is not an object"],
  [{ info: "null" }, "info is not an object"],
  [{ info: '{"a":1e999}' }, "info contains a number that JSON cannot represent"],
  [{ info: '{"a":["\\ud800"]}' }, "info contains text that is not valid Unicode"],
  [{ info: '{"\\udc00":1}' }, "info contains text that is not valid Unicode"],
  [{ info: `{"a":${"[".repeat(30)}${"]".repeat(30)}}` }, "info is nested too deeply"],
  [{ permissions: Permissions.of({ join: Array.from({ length: 1_001 }, (_, n) => `t${n}`) }) }, "permissions"],
  [{ permissions: Permissions.of({ join: Array.from({ length: 900 }, (_, n) => `topic-${n}`) }) }, "longer than 8192"],
])("refuses a bearer that could not be read from a token again (%#)", async (bearer, text) => {
  const { issuer } = new Cluster().node();
  expect(await outcome(issuer.createConnectionToken(bearer))).toMatch(new RegExp(`^invalid_argument: .*${text}`));
});

test("refuses tokens of another vhost, kind or channel, even with the same secret", async () => {
  const cluster = new Cluster();
  const secret = TokenSecret.configured("x".repeat(64));
  const shop = cluster.node("/shop", secret);
  const forum = cluster.node("/forum", secret);
  const connection = await shop.issuer.createConnectionToken({ user: "eve" });
  const channel = await shop.issuer.createChannelToken("c");
  const access = await shop.issuer.createAccessToken({ user: "eve" });
  expect(await outcome(forum.verifier.takeConnection(connection.token))).toMatch(/unauthenticated.*wrong vhost/);
  expect(await outcome(forum.verifier.checkChannel(channel.token, "c"))).toMatch(/unauthenticated.*wrong vhost/);
  expect(await outcome(forum.verifier.useAccessToken(access.token))).toMatch(/unauthenticated.*unknown/);
  expect(await outcome(shop.verifier.takeConnection(channel.token))).toMatch(/unauthenticated.*not a connect token/);
  expect(await outcome(shop.verifier.checkChannel(connection.token, "c"))).toMatch(
    /unauthenticated.*not a channel token/,
  );
  expect(await outcome(shop.verifier.checkChannel(channel.token, "d"))).toMatch(/unauthenticated.*wrong channel/);
  expect(await outcome(shop.verifier.checkChannel(channel.token, ""))).toMatch(/unauthenticated.*wrong channel/);
  expect(await outcome(shop.verifier.useAccessToken(access.token))).toBe("in");
});

test("uses a separate secret for each vhost", async () => {
  const cluster = new Cluster();
  const { token } = await cluster.node("/shop").issuer.createConnectionToken({});
  expect(await outcome(cluster.node("/forum").verifier.read(token))).toMatch(/unauthenticated.*signature/);
});

test("refuses forged and malformed tokens", async () => {
  const { issuer, verifier } = new Cluster().node();
  const { token } = await issuer.createConnectionToken({ user: "eve" });
  const [header = "", claims = "", signature = ""] = token.split(".");
  const text = Buffer.from(claims, "base64url").toString();
  const other = Buffer.from(text.replace("eve", "bob")).toString("base64url");
  for (const forged of [
    [header, other, signature].join("."),
    [header, claims, signature.slice(0, -4)].join("."),
    [header, claims, ""].join("."),
    [Buffer.from('{"alg":"none"}').toString("base64url"), claims, "AA"].join("."),
    [Buffer.from('{"alg":"HS256"}').toString("base64url"), claims, signature].join("."),
    raw('{"alg":"HS512"}', text, "", "sha512"),
    raw('{"alg":"HS512"}', text, "x".repeat(64), "sha512"),
    "",
    "a.b.c",
    "x".repeat(9_000),
  ]) {
    expect(await outcome(verifier.takeConnection(forged))).toMatch(/^unauthenticated/);
    expect(await outcome(verifier.checkChannel(forged, "c"))).toMatch(/^unauthenticated/);
    expect(await outcome(verifier.useAccessToken(forged))).toMatch(/^unauthenticated/);
  }
});

test("refuses a token whose session has ended", async () => {
  const { issuer, verifier } = new Cluster().node();
  const { token } = await issuer.createConnectionToken({ sessionExpires: NOW });
  expect(await outcome(verifier.takeConnection(token))).toMatch(/unauthenticated.*session has ended/);
});

test("creates the secret once, on any node, and finds it again after a restart", async () => {
  const cluster = new Cluster();
  const secrets = Array.from({ length: 20 }, () => TokenSecret.stored(cluster.store, "/"));
  const made = new Set(
    (await Promise.all(secrets.map((secret) => secret.get()))).map((bytes) => Buffer.from(bytes).toString("hex")),
  );
  expect(made.size).toBe(1);
  expect([...made][0]).toHaveLength(128);
  expect(Buffer.from(await TokenSecret.stored(cluster.store, "/").get()).toString("hex")).toBe([...made][0]);
  expect(Buffer.from(await TokenSecret.stored(cluster.store, "/a").get()).toString("hex")).not.toBe([...made][0]);
});

test("answers unavailable while the store is unreachable, and retries", async () => {
  const cluster = new Cluster();
  const store = new FlakyStore(cluster.store);
  const { issuer, verifier } = cluster.node("/", TokenSecret.stored(store, "/"), store);
  store.away = true;
  expect(await outcome(issuer.createConnectionToken({}))).toMatch(/^unavailable/);
  store.away = false;
  const { token } = await issuer.createConnectionToken({});
  const access = await issuer.createAccessToken({});
  store.away = true;
  expect(await outcome(verifier.takeConnection(token))).toMatch(/^unavailable/);
  expect(await outcome(verifier.useAccessToken(access.token))).toMatch(/^unavailable/);
  store.away = false;
  expect(await outcome(verifier.takeConnection(token))).toBe("in");
  expect(await outcome(verifier.useAccessToken(access.token))).toBe("in");
});

test("requires 64 bytes for a configured secret", () => {
  expect(() => TokenSecret.configured("x".repeat(63))).toThrow(/at least 64 bytes/);
});

test("issues access tokens of 128 hexadecimal digits, kept as a hash and used once", async () => {
  const cluster = new Cluster();
  const { issuer, verifier } = cluster.node();
  const { token } = await issuer.createAccessToken({ user: "eve", permissions: Permissions.of({ join: ["re:a+"] }) });
  expect(token).toMatch(/^[0-9a-f]{128}$/);
  expect(JSON.stringify(await cluster.store.list(""))).not.toContain(token);
  const principal = await verifier.useAccessToken(token);
  expect([principal.user, principal.permissions.grants]).toEqual(["eve", { join: ["re:a+"] }]);
  expect(await outcome(verifier.useAccessToken(token))).toMatch(/unauthenticated.*used/);
});

test("lets one of 50 clients on two nodes use an access token", async () => {
  const cluster = new Cluster();
  const nodes = [cluster.node(), cluster.node()];
  const { token } = (await nodes[0]?.issuer.createAccessToken({})) ?? { token: "" };
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      outcome(nodes[n % 2]?.verifier.useAccessToken(token) ?? Promise.reject(new Error())),
    ),
  );
  expect(outcomes.filter((text) => text === "in")).toHaveLength(1);
  expect(outcomes.filter((text) => text.startsWith("unauthenticated"))).toHaveLength(49);
});

test("gives a connection token to one of 50 clients on two nodes, and to the next when that has ended", async () => {
  const cluster = new Cluster();
  const nodes = [cluster.node(), cluster.node()];
  const { token } = (await nodes[0]?.issuer.createConnectionToken({})) ?? { token: "" };
  for (let round = 0; round < 3; round += 1) {
    const releases: (() => void)[] = [];
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        outcome(
          nodes[n % 2]?.verifier.takeConnection(token).then(({ release }) => releases.push(release)) ??
            Promise.reject(new Error()),
        ),
      ),
    );
    expect(outcomes.filter((text) => text === "in")).toHaveLength(1);
    expect(outcomes.filter((text) => /^unauthenticated: .*in use by another connection/.test(text))).toHaveLength(49);
    // A second release does nothing.
    for (const release of [...releases, ...releases]) release();
    await settled();
  }
});

test("does not release the next holder's lease", async () => {
  const cluster = new Cluster();
  const [one, two] = [cluster.node(), cluster.node()];
  const { token } = await one.issuer.createConnectionToken({});
  const { release } = await one.verifier.takeConnection(token);
  release();
  // At once, on the same node: the entry may still exist.
  const again = await one.verifier.takeConnection(token);
  release();
  await settled();
  expect(await outcome(one.verifier.takeConnection(token))).toMatch(/another connection/);
  expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
  again.release();
  await settled();
  expect(await outcome(two.verifier.takeConnection(token))).toBe("in");
});

test("keeps a lease while the node lives and the token is valid", async () => {
  const cluster = new Cluster();
  const [one, two] = [cluster.node(), cluster.node()];
  const { token } = await one.issuer.createConnectionToken({});
  await one.verifier.takeConnection(token);
  for (let count = 0; count < 58; count += 1) {
    cluster.clock.advance(5_000);
    await settled();
    expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
  }
});

test("frees a killed node's tokens after the lease time, not before", async () => {
  const { cluster, one, store, two } = withCuttableNode();
  const { token } = await one.issuer.createConnectionToken({});
  await one.verifier.takeConnection(token);
  store.away = true;
  cluster.clock.advance(LEASE_TIME - 1);
  await settled();
  expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
  cluster.clock.advance(1);
  await settled();
  expect(await outcome(two.verifier.takeConnection(token))).toBe("in");
  store.away = false;
});

test("treats a holder that is not visible yet as alive", async () => {
  const cluster = new Cluster();
  const store = new FlakyStore(cluster.store);
  const two = cluster.node("/", TokenSecret.stored(store, "/"), store);
  const one = cluster.node();
  const { token } = await one.issuer.createConnectionToken({});
  await one.verifier.takeConnection(token);
  // Like a replica of the store that lags.
  store.hidden = "holders/";
  expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
});

test("expires an access token even if the store keeps it longer", async () => {
  const cluster = new Cluster();
  const store = new FlakyStore(cluster.store);
  store.forever = true;
  const { issuer, verifier } = cluster.node("/", TokenSecret.stored(store, "/"), store);
  const { token } = await issuer.createAccessToken({}, 1_000);
  cluster.clock.advance(1_000);
  expect(await outcome(verifier.useAccessToken(token))).toMatch(/unauthenticated.*expired/);
});

test("releases leases later when the store was unreachable", async () => {
  const { cluster, one, store, two } = withCuttableNode();
  const { token } = await one.issuer.createConnectionToken({});
  const { release } = await one.verifier.takeConnection(token);
  store.away = true;
  release();
  await settled();
  store.away = false;
  expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
  cluster.clock.advance(5_000);
  await settled();
  expect(await outcome(two.verifier.takeConnection(token))).toBe("in");
});

test("continues after a long loss of the store", async () => {
  const { cluster, one, store, two } = withCuttableNode();
  const [first, second] = [await one.issuer.createConnectionToken({}), await one.issuer.createConnectionToken({})];
  await one.verifier.takeConnection(first.token);
  store.away = true;
  for (let count = 0; count < 6; count += 1) {
    cluster.clock.advance(5_000);
    await settled();
  }
  store.away = false;
  expect(await outcome(one.verifier.takeConnection(second.token))).toBe("in");
  for (let count = 0; count < 6; count += 1) {
    cluster.clock.advance(5_000);
    await settled();
  }
  expect(await outcome(two.verifier.takeConnection(second.token))).toMatch(/another connection/);
});

test("renews all leases with one timer and one write every five seconds, until all have expired", async () => {
  const cluster = new Cluster();
  const store = new FlakyStore(cluster.store);
  const { issuer, leases, verifier } = cluster.node("/", TokenSecret.stored(store, "/"), store);
  const before = cluster.clock.timers;
  for (let count = 0; count < 20; count += 1)
    await verifier.takeConnection((await issuer.createConnectionToken({})).token);
  await settled();
  store.writes = 0;
  for (let count = 0; count < 6; count += 1) {
    cluster.clock.advance(5_000);
    await settled();
  }
  expect(store.writes).toBe(6);
  expect(leases.size).toBe(20);
  // Other nodes' clocks may be behind, so leases outlive the tokens here.
  for (let passed = 0; passed < 300_000 + CLOCK_TOLERANCE; passed += 5_000) {
    cluster.clock.advance(5_000);
    await settled();
  }
  expect(leases.size).toBe(0);
  store.writes = 0;
  cluster.clock.advance(60_000 + CLOCK_TOLERANCE);
  await settled();
  expect(store.writes).toBe(0);
  expect(cluster.clock.timers).toBeLessThanOrEqual(before);
});

test("releases all leases when a node stops", async () => {
  const cluster = new Cluster();
  const [one, two] = [cluster.node(), cluster.node()];
  const { token } = await one.issuer.createConnectionToken({});
  await one.verifier.takeConnection(token);
  await one.leases.stop();
  expect(await outcome(two.verifier.takeConnection(token))).toBe("in");
  expect((await cluster.store.list("holders/")).length).toBe(1);
});

/** Store of a node that can be cut off from it. */
class FlakyStore implements Store {
  away = false;
  /** Keys that it hides. */
  hidden = "-";
  /** Whether entries never expire. */
  forever = false;
  writes = 0;
  readonly shared = true;
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get up(): boolean {
    return !this.away;
  }

  start = (): Promise<void> => Promise.resolve();
  stop = (): Promise<void> => Promise.resolve();
  get: Store["get"] = (key) =>
    this.#through(() => (key.startsWith(this.hidden) ? Promise.resolve(undefined) : this.#store.get(key)));
  list: Store["list"] = (...args) => this.#through(() => this.#store.list(...args));
  watch: Store["watch"] = (...args) => this.#through(() => this.#store.watch(...args));
  create: Store["create"] = (key, value, options) =>
    this.#write(() => this.#store.create(key, value, this.forever ? {} : options));
  update: Store["update"] = (...args) => this.#write(() => this.#store.update(...args));
  delete: Store["delete"] = (...args) => this.#write(() => this.#store.delete(...args));

  #write<T>(run: () => Promise<T>): Promise<T> {
    this.writes += 1;
    return this.#through(run);
  }

  #through<T>(run: () => Promise<T>): Promise<T> {
    if (this.away) return Promise.reject(new CarillonError("unavailable", "the store is away"));
    return run();
  }
}
