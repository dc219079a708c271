import { ConnectionChange, ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { SECRET, signed } from "../../access/jwts.js";
import { bearer, configuredKey, STATUS, TestBackend, until } from "../../support/backends/backend.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect, refusedUpgrade, type TestClient } from "../../support/clients/native.js";
import { LOAD } from "../../support/load.js";
import { startCluster, startConfigured } from "../../support/nodes/access-cluster.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { temporaryFolder } from "../../support/temporary-files.js";

const control = ControlService.method;

/** Milliseconds within which a change on one node is known on another (A13). */
const A_SECOND = 1_000 * LOAD;

async function enter(node: Pick<TestNode, "ws">, user: string, path = "/ws"): Promise<TestClient> {
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const token = await signed(SECRET, "HS256", { sub: user, exp, info: { name: user } });
  return connect(node.ws + path, { headers: { authorization: `Bearer ${token}`, "user-agent": "test" } });
}

async function startTwo() {
  const keys = [configuredKey("key", { actions: ["*"] })];
  const vhosts = { "/": { keys, jwt: { secret: SECRET } }, "/shop": { jwt: { secret: SECRET } } };
  const cluster = await startCluster({ vhosts });
  const [one, two] = [await cluster.startNode(), await cluster.startNode()];
  return { cluster, one, two, atOne: new TestBackend(one, bearer("key")), atTwo: new TestBackend(two, bearer("key")) };
}

const target = (user: string) => ({ target: { target: { case: "user" as const, value: user } } });

describe("A10: connections of all nodes, from any node", () => {
  test("are listed by pages, by user and by topic, and described one by one", async () => {
    const { atOne, atTwo, one, two } = await startTwo();
    const eve = await enter(one, "eve");
    await enter(two, "eve");
    await enter(two, "adam");
    await connect(`${one.ws}/ws`);
    await enter(one, "eve", "/ws/shop");
    await eve.join("foo", "bar");
    for (const backend of [atOne, atTwo]) {
      const { connections, missingNodes } = await backend.call(control.listConnections, {});
      expect(connections.map(({ user }) => user).toSorted()).toEqual(["", "adam", "eve", "eve"]);
      expect(connections.map(({ id }) => id)).toEqual(connections.map(({ id }) => id).toSorted());
      expect(new Set(connections.map(({ node }) => node)).size).toBe(2);
      expect(missingNodes).toEqual([]);

      const paged: string[] = [];
      let pageToken = "";
      do {
        const page = await backend.call(control.listConnections, { pageSize: 1, pageToken });
        expect(page.connections.length).toBeLessThanOrEqual(1);
        paged.push(...page.connections.map(({ id }) => id));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      expect(paged).toEqual(connections.map(({ id }) => id));

      expect((await backend.call(control.listConnections, { user: "eve" })).connections).toHaveLength(2);
      const inFoo = (await backend.call(control.listConnections, { topic: "foo" })).connections;
      expect(inFoo).toHaveLength(1);
      const { connection, topics } = await backend.call(control.getConnection, { id: inFoo[0]?.id ?? "" });
      expect(connection).toMatchObject({
        user: "eve",
        info: { name: "eve" },
        dialect: "native",
        address: "127.0.0.1",
        userAgent: "test",
        topicCount: 2,
      });
      expect(topics.map(({ broker, topic }) => `${broker} ${topic}`).toSorted()).toEqual(["nats bar", "nats foo"]);
      expect((await backend.ask(control.getConnection, { id: "none" })).status).toBe(STATUS.notFound);
    }
  });

  test("are disconnected, one or all of a user, with 4403 or the requested code", async () => {
    const { atTwo, one, two } = await startTwo();
    const clients = [
      await enter(one, "eve"),
      await enter(two, "eve"),
      await enter(one, "adam"),
      await enter(one, "ada"),
    ];
    const [, , adam, ada] = clients;
    expect((await atTwo.call(control.disconnect, target("eve"))).connections).toBe(2);
    for (const client of clients.slice(0, 2)) {
      expect(await client.closed).toEqual({ code: 4403, reason: "disconnected by the backend" });
    }
    const { connections } = await atTwo.call(control.listConnections, { user: "adam" });
    const byId = { target: { case: "connectionId" as const, value: connections[0]?.id ?? "" } };
    const asked = { target: byId, code: 4000, reason: "bye" };
    expect((await atTwo.call(control.disconnect, asked)).connections).toBe(1);
    expect(await adam?.closed).toEqual({ code: 4000, reason: "bye" });
    expect((await atTwo.call(control.disconnect, asked)).connections).toBe(0);
    for (const code of [1, 999, 1001, 1006, 2999, 5000]) {
      expect((await atTwo.ask(control.disconnect, { ...target("ada"), code })).status).toBe(STATUS.invalidArgument);
    }
    expect(ada?.webSocket.readyState).toBe(ada?.webSocket.OPEN);
  });

  test("W17: join and leave on their behalf, regardless of permissions, and are notified", async () => {
    const { atTwo, one, two } = await startTwo();
    const clients = [await enter(one, "eve"), await enter(two, "eve")];
    const other = await enter(one, "adam");
    const request = { target: { target: { case: "user" as const, value: "eve" } }, topics: ["foo", "bar"] };
    expect((await atTwo.call(control.subscribe, request)).connections).toBe(2);
    for (const client of clients) expect(await client.nextText()).toBe('{"topic":"@join","payload":["foo","bar"]}');
    await atTwo.say("foo", "hello");
    for (const client of clients) expect(await client.next()).toEqual({ topic: "foo", payload: "hello" });
    const { topics } = await atTwo.call(control.listTopics, {});
    expect(topics.map(({ name, sessions }) => [name, sessions])).toEqual([
      ["bar", 2],
      ["foo", 2],
    ]);
    expect((await atTwo.call(control.listTopics, { prefix: "f" })).topics).toHaveLength(1);

    const leaving = { ...request, topics: ["foo", "never joined"] };
    expect((await atTwo.ask(control.unsubscribe, leaving)).status).toBe(STATUS.invalidArgument);
    expect((await atTwo.call(control.unsubscribe, { ...request, topics: ["foo", "none"] })).connections).toBe(2);
    for (const client of clients) expect(await client.nextText()).toBe('{"topic":"@leave","payload":["foo"]}');
    await atTwo.say("foo", "nobody");
    await atTwo.say("bar", "still");
    for (const client of clients) expect(await client.next()).toEqual({ topic: "bar", payload: "still" });
    expect(other.unread).toEqual([]);
    expect((await atTwo.ask(control.subscribe, { ...request, broker: "none" })).status).toBe(STATUS.notFound);
    expect((await atTwo.ask(control.subscribe, { topics: ["foo"] })).status).toBe(STATUS.invalidArgument);
  });

  test("are watched: open ones, then each connect and disconnect, with its code", async () => {
    const { atTwo, one, two } = await startTwo();
    await enter(one, "early");
    const watch = atTwo.open(control.watchConnections, {});
    cleanUp(() => watch.return(undefined));
    const next = async () => {
      const { done, value } = await watch.next();
      if (done === true) throw new Error("the watch has ended");
      return [ConnectionChange[value.change], value.connection?.user, value.code];
    };
    expect(await next()).toEqual(["OPEN", "early", 0]);
    expect(await next()).toEqual(["CAUGHT_UP", undefined, 0]);
    const far = await enter(one, "far");
    expect(await next()).toEqual(["OPENED", "far", 0]);
    await enter(one, "shop", "/ws/shop");
    await enter(two, "near");
    expect(await next()).toEqual(["OPENED", "near", 0]);
    far.webSocket.close(1000);
    expect(await next()).toEqual(["CLOSED", "far", 1000]);
    await atTwo.call(control.disconnect, { target: { target: { case: "user", value: "near" } } });
    expect(await next()).toEqual(["CLOSED", "near", 4403]);
  });

  test("A2: a watch ends within a second when its key is revoked on another node", async () => {
    const { atOne, two } = await startTwo();
    const { key, secret } = await atOne.call(control.createKey, { name: "watcher", actions: ["connections"] });
    const backend = new TestBackend(two, bearer(secret));
    await until(
      () => backend.ask(control.listConnections),
      ({ status }) => status === STATUS.ok,
    );
    const watch = backend.open(control.watchConnections, {});
    expect((await watch.next()).value).toMatchObject({ change: ConnectionChange.CAUGHT_UP });
    await atOne.call(control.revokeKey, { id: key?.id ?? "" });
    const end = Date.now() + A_SECOND;
    await expect(watch.next()).rejects.toMatchObject({ code: STATUS.unauthenticated });
    expect(Date.now()).toBeLessThan(end);
  });
});

describe("A13: changes on one node", () => {
  test("are known on the other within a second: vhosts, keys, channels", async () => {
    const { atOne, atTwo, two } = await startTwo();
    const before = Date.now();
    const settings = { opened_only: true, anonymous: { permissions: { join: ["*"] } } };
    await atOne.call(control.createVhost, { path: "/made/eu", settings });
    await until(
      () => atTwo.ask(control.getVhost, { path: "/made/eu" }),
      ({ status }) => status === STATUS.ok,
    );
    const { secret } = await atOne.call(control.createKey, { name: "made", actions: ["*"], vhost: "/made/eu" });
    const made = new TestBackend(two, bearer(secret));
    await until(
      () => made.ask(control.listChannels),
      ({ status }) => status === STATUS.ok,
    );

    const client = await connect(`${two.ws}/ws/made/eu`);
    const join = { command: "join", topics: ["foo"], id: 1 };
    expect(await client.ask(join)).toMatchObject({ topic: "#join", error: { code: "not_found" } });
    expect(Date.now() - before).toBeLessThan(A_SECOND);
    // Opened on the second node, where it takes effect at once.
    expect(await made.call(control.openChannel, { channel: "foo" })).toMatchObject({ opened: true });
    expect(await made.call(control.openChannel, { channel: "foo" })).toMatchObject({ opened: false });
    expect(await client.ask(join)).toMatchObject({ topic: "@join" });
    expect((await made.call(control.listChannels, {})).channels).toEqual(["foo"]);
  });

  test("A10: deleting a vhost closes its sessions on all nodes with 4404, and deletes its keys", async () => {
    const { atOne, atTwo, one, two } = await startTwo();
    const path = "/made";
    await atOne.call(control.createVhost, { path, settings: { tokens: {} } });
    await until(
      () => atTwo.ask(control.getVhost, { path }),
      ({ status }) => status === STATUS.ok,
    );
    const { secret } = await atOne.call(control.createKey, { name: "made", actions: ["*"], vhost: path });
    const made = { one: new TestBackend(one, bearer(secret)), two: new TestBackend(two, bearer(secret)) };
    await until(
      () => made.two.ask(control.listChannels),
      ({ status }) => status === STATUS.ok,
    );
    await made.two.call(control.openChannel, { channel: "foo" });
    const { token: connection } = await made.two.call(TokenService.method.createConnectionToken, { user: "eve" });
    const { token: access } = await made.two.call(TokenService.method.createAccessToken, { user: "eve" });
    const clients = [await connect(`${one.ws}/ws/made`), await connect(`${two.ws}/ws/made`)];
    const other = await connect(`${two.ws}/ws`);

    await atOne.call(control.deleteVhost, { path });
    for (const client of clients) expect(await client.closed).toEqual({ code: 4404, reason: "the vhost was deleted" });
    for (const [node, admin, backend] of [
      [one, atOne, made.one],
      [two, atTwo, made.two],
    ] as const) {
      expect((await refusedUpgrade(`${node.ws}/ws/made`)).status).toBe(404);
      expect((await backend.ask(control.listChannels)).status).toBe(STATUS.unauthenticated);
      expect((await admin.ask(control.getVhost, { path })).status).toBe(STATUS.notFound);
      expect((await admin.ask(control.deleteVhost, { path })).status).toBe(STATUS.notFound);
    }
    await other.join("foo");

    // A vhost created with the same name has nothing of the first.
    await atTwo.call(control.createVhost, { path, settings: {} });
    await until(
      () => atOne.ask(control.getVhost, { path }),
      ({ status }) => status === STATUS.ok,
    );
    for (const [node, backend] of [
      [one, made.one],
      [two, made.two],
    ] as const) {
      expect((await backend.ask(control.listChannels)).status).toBe(STATUS.unauthenticated);
      await connect(`${node.ws}/ws/made`);
      for (const token of [connection, access]) {
        const headers = { authorization: `Bearer ${token}` };
        expect((await refusedUpgrade(`${node.ws}/ws/made`, { headers })).status).toBe(401);
      }
    }
    const { secret: again } = await atTwo.call(control.createKey, { name: "made", actions: ["*"], vhost: path });
    const remade = new TestBackend(one, bearer(again));
    await until(
      () => remade.ask(control.listChannels),
      ({ status }) => status === STATUS.ok,
    );
    expect((await remade.call(control.listChannels, {})).channels).toEqual([]);
    expect((await remade.call(control.listKeys, {})).keys.map(({ name }) => name)).toEqual(["made"]);
  });

  test("changed settings apply to connected and new clients", async () => {
    const { atOne, atTwo, two } = await startTwo();
    const path = "/made";
    await atOne.call(control.createVhost, { path, settings: { access: "private" } });
    await until(
      () => atTwo.ask(control.getVhost, { path }),
      ({ status }) => status === STATUS.ok,
    );
    const client = await connect(`${two.ws}/ws/made`);
    const join = { command: "join", topics: ["foo"] };
    expect(await client.ask(join)).toMatchObject({ topic: "#join" });
    await atOne.call(control.updateVhost, { path, settings: { access: "open" } });
    const began = Date.now();
    await until(
      () => client.ask(join),
      ({ topic }) => topic === "@join",
    );
    expect(Date.now() - began).toBeLessThan(A_SECOND);
    await atTwo.call(control.updateVhost, { path, settings: { anonymous: { connect: false } } });
    await until(
      () => refusedUpgrade(`${two.ws}/ws/made`),
      ({ status }) => status === 401,
    );
    await client.join("bar");
  });

  test("W17: changed settings remove clients from topics that are no longer allowed, and notify them", async () => {
    const { atOne, atTwo, two } = await startTwo();
    const path = "/made";
    const jwt = { secret: SECRET };
    await atOne.call(control.createVhost, { path, settings: { jwt } });
    await until(
      () => atTwo.ask(control.getVhost, { path }),
      ({ status }) => status === STATUS.ok,
    );
    const client = await connect(`${two.ws}/ws/made`);
    await client.join("foo", "bar");
    const topics = [{ match: "bar", access: "open" }];
    await atOne.call(control.updateVhost, { path, settings: { jwt, access: "private", topics } });
    expect(await client.next()).toEqual({ topic: "@leave", payload: ["foo"] });
    await atOne.call(control.updateVhost, { path, settings: { jwt, access: "private", topics, opened_only: true } });
    expect(await client.next()).toEqual({ topic: "@leave", payload: ["bar"] });
  });

  test("invalid settings are refused with their names, and change nothing", async () => {
    const { atOne } = await startTwo();
    const path = "/made";
    const faults: readonly (readonly [object, string])[] = [
      [{ acces: "open" }, "acces"],
      [{ access: "maybe" }, "access"],
      [{ topics: [{ match: "a*b" }] }, "topics"],
      [{ brokers: ["none"] }, "brokers"],
      [{ jwt: { secret: "short" } }, "secret"],
      [{ jwt: { secret_file: "/etc/hostname" } }, "secret_file"],
      [{ jwt: { public_key_file: "/etc/hostname" } }, "public_key_file"],
      [{ tokens: { secret_file: "/etc/hostname" } }, "secret_file"],
      [{ hooks: { url: "file:///etc/hostname" } }, "url"],
    ];
    for (const [settings, name] of faults) {
      const { message, status } = await atOne.ask(control.createVhost, { path, settings });
      expect([settings, status]).toEqual([settings, STATUS.invalidArgument]);
      expect(message).toContain(name);
      expect(message).not.toContain("short");
      expect((await atOne.ask(control.getVhost, { path })).status).toBe(STATUS.notFound);
    }
    for (const bad of ["", "made", "/made/", "//made", "/ma de", "/made.x", `/${"x".repeat(255)}`]) {
      expect((await atOne.ask(control.createVhost, { path: bad })).status).toBe(STATUS.invalidArgument);
    }
    expect((await atOne.ask(control.createVhost, { path: "/shop" })).status).toBe(STATUS.alreadyExists);
    expect((await atOne.ask(control.updateVhost, { path: "/shop" })).status).toBe(STATUS.failedPrecondition);
    expect((await atOne.ask(control.deleteVhost, { path: "/" })).status).toBe(STATUS.failedPrecondition);
  });

  test("one of two nodes creates a vhost when both try at once", async () => {
    const { atOne, atTwo } = await startTwo();
    const answers = await Promise.all(
      [atOne, atTwo].map((backend) => backend.ask(control.createVhost, { path: "/made", settings: {} })),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([STATUS.ok, STATUS.alreadyExists]);
  });
});

test("A13: the file store survives SIGKILL: vhosts, keys, channels, and used and revoked tokens", async () => {
  const folder = temporaryFolder();
  const config = { store: { driver: "file" as const, path: folder } };
  const first = await startConfigured(config);
  const open = new TestBackend(first);
  const { secret: admin } = await open.call(control.createKey, { name: "admin", actions: ["*"] });
  const before = new TestBackend(first, bearer(admin));
  await before.call(control.createVhost, { path: "/made", settings: { opened_only: true } });
  const { secret } = await before.call(control.createKey, { name: "made", actions: ["*"], vhost: "/made" });
  const { key, secret: revoked } = await before.call(control.createKey, { name: "revoked", actions: ["*"] });
  await before.call(control.revokeKey, { id: key?.id ?? "" });
  await new TestBackend(first, bearer(secret)).call(control.openChannel, { channel: "foo" });
  const { token } = await before.call(TokenService.method.createAccessToken, { user: "eve" });
  const { token: fresh } = await before.call(TokenService.method.createAccessToken, { user: "eve" });
  await connect(`${first.ws}/ws`, { headers: { authorization: `Bearer ${token}` } });
  first.child.kill("SIGKILL");
  await first.exited;

  const second = await startConfigured(config);
  expect((await new TestBackend(second).ask(control.listKeys)).status).toBe(STATUS.unauthenticated);
  expect((await new TestBackend(second, bearer(revoked)).ask(control.listKeys)).status).toBe(STATUS.unauthenticated);
  const { keys } = await new TestBackend(second, bearer(admin)).call(control.listKeys, {});
  expect(keys.map(({ name }) => name)).toEqual(["admin"]);
  const made = new TestBackend(second, bearer(secret));
  expect((await made.call(control.listChannels, {})).channels).toEqual(["foo"]);
  const client = await connect(`${second.ws}/ws/made`);
  await client.join("foo");
  expect(await client.ask({ command: "join", topics: ["bar"], id: 1 })).toMatchObject({ error: { code: "not_found" } });
  expect((await refusedUpgrade(`${second.ws}/ws`, { headers: bearer(token) })).status).toBe(401);
  await connect(`${second.ws}/ws`, { headers: bearer(fresh) });
});

describe("A7: channels of a vhost with opened_only", () => {
  test("are the only topics; a permission or channel token does not open others", async () => {
    const node = await startNode({
      vhosts: { "/": { opened_only: true, anonymous: { permissions: { join: ["*"], publish: ["*"] } } } },
    });
    const backend = new TestBackend(node);
    const client = await connect(`${node.ws}/ws`);
    const { token: auth } = await backend.call(TokenService.method.createChannelToken, { channel: "foo" });
    const join = { command: "join", topics: ["foo"], auth, id: 1 };
    expect(await client.ask(join)).toMatchObject({ topic: "#join", error: { code: "not_found" } });
    const publish = { command: "publish", topics: ["foo"], payload: "x", id: 1 };
    expect(await client.ask(publish)).toMatchObject({ topic: "#publish", error: { code: "not_found" } });
    await backend.call(control.openChannel, { channel: "foo" });
    expect(await client.ask(join)).toMatchObject({ topic: "@join" });
    expect(await client.ask({ ...join, topics: ["foo", "bar"] })).toMatchObject({ topic: "#join" });
    for (const channel of ["", "@foo", "a b", "x".repeat(256)]) {
      expect((await backend.ask(control.openChannel, { channel })).status).toBe(STATUS.invalidArgument);
    }
  });

  test("W17: are left by all their clients on all nodes when they are closed", async () => {
    const { atOne, atTwo, one, two } = await startTwo();
    await atOne.call(control.openChannel, { channel: "foo" });
    const clients = [await connect(`${one.ws}/ws`), await connect(`${two.ws}/ws`), await connect(`${two.ws}/ws`)];
    const shop = await connect(`${two.ws}/ws/shop`);
    for (const client of [...clients, shop]) await client.join("foo", "bar");
    await until(
      async () => (await atTwo.call(control.listChannels, {})).channels,
      ({ length }) => length === 1,
    );
    await atTwo.call(control.closeChannel, { channel: "foo" });
    for (const client of clients) expect(await client.nextText()).toBe('{"topic":"@leave","payload":["foo"]}');
    await atOne.say("foo", "nobody");
    await atOne.say("bar", "still");
    for (const client of clients) expect(await client.next()).toEqual({ topic: "bar", payload: "still" });
    expect((await atTwo.ask(control.closeChannel, { channel: "foo" })).status).toBe(STATUS.notFound);
    await shop.join("foo");
    expect(shop.unread).toEqual([]);
  });
});
