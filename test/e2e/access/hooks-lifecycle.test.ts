import { create, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import {
  type OnConnectRequest,
  OnConnectResponseSchema,
  type OnDisconnectRequest,
} from "../../../gen/carillon/v1/hook_pb.js";
import type { ConfigInput } from "../../../src/index.js";
import { raw, SECRET, signed } from "../../access/jwts.js";
import {
  BACKENDS,
  type Backend,
  grpcBackend,
  type HookCall,
  jsonBackend,
  nextHookCall,
} from "../../outbound/hooks/backend.js";
import { TestBackend } from "../../support/backends/backend.js";
import { connect, refusedUpgrade, type TestClient } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const control = ControlService.method;

type VhostInput = NonNullable<ConfigInput["vhosts"]>[string];
type Event = NonNullable<NonNullable<VhostInput["hooks"]>["events"]>[number];

const jwt = { secret: SECRET, leeway: "0" };

function start(backend: Backend, events: Event[], vhost: VhostInput = {}): Promise<TestNode> {
  // Hundreds of disconnect hooks at once take a loaded machine longer than the default times.
  const hooks = { url: backend.url, events, timeout: "8s" };
  return startNode({ stop_timeout: "1m", vhosts: { "/": { ...vhost, hooks } } });
}

/** Creates a vhost at run time with hooks and these settings. */
async function startShop(backend: Backend, hooks: JsonObject) {
  const node = await startNode();
  const operator = new TestBackend(node);
  const definition = { path: "/shop", settings: { hooks: { url: backend.url, timeout: "8s", ...hooks } } };
  await operator.call(control.createVhost, definition);
  return { node, operator, url: `${node.ws}/ws/shop` };
}

function token(claims: object = {}): Promise<string> {
  return signed(SECRET, "HS256", { exp: Math.ceil(Date.now() / 1_000) + 60, ...claims });
}

function headers(shown: string): { readonly headers: { readonly authorization: string } } {
  return { headers: { authorization: `Bearer ${shown}` } };
}

const EVE = { target: { case: "user", value: "eve" } } as const;

const join = (...topics: string[]) => ({ command: "join", topics, id: "join" });
const authenticate = (payload: string) => ({ command: "authenticate", payload, id: "authenticate" });

function connectionOf({ request }: HookCall): string | undefined {
  return (request as OnDisconnectRequest).client?.connectionId;
}

/** Topics of the only client. */
async function topicsOf(operator: TestBackend): Promise<string[]> {
  const { connections } = await operator.call(control.listConnections, {});
  const found = await operator.call(control.getConnection, { id: connections[0]?.id ?? "" });
  return found.topics.map(({ topic }) => topic);
}

/** Connects with the backend's answer, and a token of this subject; without a token for none. */
async function enter(node: TestNode, backend: Backend, sub: string, allow: object): Promise<TestClient> {
  const opened = connect(`${node.ws}/ws`, sub === "" ? {} : headers(await token({ sub })));
  (await nextHookCall(backend, "OnConnect")).answer({ allow } as never);
  return opened;
}

/** Answers every disconnect hook after 30 ms. @returns the answered ones */
function answeringLate(backend: Backend): OnDisconnectRequest[] {
  const told: OnDisconnectRequest[] = [];
  const serve = async (): Promise<never> => {
    for (;;) {
      const asked = await backend.calls.next();
      setTimeout(() => {
        told.push(asked.request as OnDisconnectRequest);
        asked.answer({});
      }, 30);
    }
  };
  void serve();
  return told;
}

describe.each(BACKENDS)("A9: a backend by %s is notified of every disconnect", (_protocol, startBackend) => {
  test("L7: when the node stops", async () => {
    const backend = await startBackend();
    const node = await start(backend, ["disconnect"]);
    const told = answeringLate(backend);
    const clients = await Promise.all(Array.from({ length: 300 }, () => connect(`${node.ws}/ws`)));
    await node.carillon.stop();
    expect(new Set(told.map(({ client }) => client?.connectionId)).size).toBe(clients.length);
    expect(new Set(told.map(({ code, reason }) => `${code} ${reason}`))).toEqual(
      new Set(["1012 service restart, retry after 1-10 s"]),
    );
  });

  test("A10: when the vhost is deleted", async () => {
    const backend = await startBackend();
    const { operator, url } = await startShop(backend, { events: ["disconnect"] });
    const clients = await Promise.all(Array.from({ length: 10 }, () => connect(url)));
    await operator.call(control.deleteVhost, { path: "/shop" });
    for (const _ of clients) {
      const asked = await nextHookCall(backend, "OnDisconnect");
      expect(asked.request).toMatchObject({ code: 4404, reason: "the vhost was deleted" });
      asked.answer({});
    }
  });

  test("with the code and text of the close, from either side", async () => {
    const backend = await startBackend();
    const node = await start(backend, ["disconnect"], { jwt });
    const told = async (): Promise<[number, string]> => {
      const asked = await nextHookCall(backend, "OnDisconnect");
      asked.answer({});
      const { code, reason } = asked.request as OnDisconnectRequest;
      return [code, reason];
    };
    const client = await connect(`${node.ws}/ws`);
    client.webSocket.close(4_000, "bye, tschüs");
    expect(await told()).toEqual([4_000, "bye, tschüs"]);
    await connect(`${node.ws}/ws`, headers(await token()));
    await new TestBackend(node).call(control.disconnect, { target: EVE, code: 4_001, reason: "go home" });
    expect(await told()).toEqual([4_001, "go home"]);
    const cut = await connect(`${node.ws}/ws`);
    cut.webSocket.terminate();
    expect(await told()).toEqual([1_006, ""]);
  });
});

describe("A9: settings that change during a hook call", () => {
  test("its answer still counts", async () => {
    const backend = await grpcBackend();
    const { node, operator, url } = await startShop(backend, { on_failure: "allow", events: ["connect"] });
    const opened = connect(url);
    const asked = await nextHookCall(backend, "OnConnect");
    await operator.call(control.updateVhost, { path: "/shop", settings: { presence: true } });
    asked.answer({ allow: { user: "eve" } });
    await opened;
    const shop = new TestBackend(node, { "carillon-vhost": "/shop" });
    expect((await shop.call(control.listConnections, { user: "eve" })).connections).toHaveLength(1);
    // New clients cause no call.
    await connect(url);
    expect(backend.calls.unread).toEqual([]);
  });

  test("the new settings decide when it fails", async () => {
    const backend = await grpcBackend();
    const { operator, url } = await startShop(backend, { on_failure: "allow", events: ["connect"] });
    const refused = refusedUpgrade(url);
    const asked = await nextHookCall(backend, "OnConnect");
    for (const on_failure of ["allow", "refuse"]) {
      const hooks = { url: backend.url, events: ["connect"], on_failure };
      await operator.call(control.updateVhost, { path: "/shop", settings: { hooks } });
    }
    asked.fail();
    expect((await refused).status).toBe(503);
  });

  test.each(["answer", "fail"] as const)("the new settings can still refuse the client (%s)", async (end) => {
    const backend = await grpcBackend();
    const { operator, url } = await startShop(backend, { on_failure: "allow", events: ["connect"] });
    const refused = refusedUpgrade(url);
    const asked = await nextHookCall(backend, "OnConnect");
    const settings = { anonymous: { connect: false } };
    await operator.call(control.updateVhost, { path: "/shop", settings });
    asked[end]({ allow: { user: "eve" } });
    expect((await refused).status).toBe(401);
  });

  test("the backend is still notified of earlier disconnects", async () => {
    const backend = await grpcBackend();
    const hooks = { concurrency: 1, events: ["disconnect"] };
    const { operator, url } = await startShop(backend, hooks);
    const clients = await Promise.all(Array.from({ length: 5 }, () => connect(url)));
    for (const client of clients) client.webSocket.close();
    const first = await nextHookCall(backend, "OnDisconnect");
    await Promise.all(clients.map(({ closed }) => closed));
    await operator.call(control.updateVhost, { path: "/shop", settings: {} });
    first.answer({});
    const told = new Set([connectionOf(first)]);
    for (const _ of clients.slice(1)) {
      const asked = await nextHookCall(backend, "OnDisconnect");
      told.add(connectionOf(asked));
      asked.answer({});
    }
    expect(told.size).toBe(clients.length);
  });
});

describe("A7: a channel that is not open, where only open ones exist", () => {
  const OPENED = { jwt, opened_only: true };

  async function startOpened(events: Event[]) {
    const backend = await jsonBackend();
    const node = await start(backend, events, OPENED);
    const operator = new TestBackend(node);
    await operator.call(control.openChannel, { channel: "open" });
    return { backend, node, operator };
  }

  test("is not joined by a client whose join was in flight when it closed", async () => {
    const { backend, node, operator } = await startOpened(["join"]);
    await operator.call(control.openChannel, { channel: "closing" });
    const client = await connect(`${node.ws}/ws`);
    const answer = client.ask(join("open", "closing"));
    const asked = await nextHookCall(backend, "OnJoin");
    await operator.call(control.closeChannel, { channel: "closing" });
    asked.answer({});
    expect(await answer).toMatchObject({ topic: "#join", error: { code: "not_found" } });
    expect(await topicsOf(operator)).toEqual([]);
  });

  test("is not joined on a client's behalf: by the backend's answer to a join", async () => {
    const { backend, node, operator } = await startOpened(["join"]);
    const client = await connect(`${node.ws}/ws`);
    const answer = client.ask(join("open"));
    (await nextHookCall(backend, "OnJoin")).answer({ allow: { topics: ["closed"] } });
    expect(await answer).toMatchObject({ topic: "@join" });
    expect(await topicsOf(operator)).toEqual(["open"]);
  });

  test("is not joined on a client's behalf: by the backend's answer to a connect", async () => {
    const { backend, node } = await startOpened(["connect"]);
    const opened = connect(`${node.ws}/ws`);
    (await nextHookCall(backend, "OnConnect")).answer({ allow: { topics: ["open", "closed"] } });
    expect((await (await opened).closed).code).toBe(1_013);
  });

  test("is not joined on a client's behalf: by the control service", async () => {
    const { node, operator } = await startOpened(["publish"]);
    const subscribe = (...topics: string[]) => operator.ask(control.subscribe, { target: EVE, topics });
    const NOT_FOUND = 5;
    expect(await subscribe("open", "closed")).toMatchObject({
      status: NOT_FOUND,
      message: 'channel "closed" is not open',
    });
    const client = await connect(`${node.ws}/ws`, headers(await token()));
    expect((await subscribe("open", "closed")).status).toBe(NOT_FOUND);
    expect(await topicsOf(operator)).toEqual([]);
    expect((await subscribe("open")).status).toBe(0);
    expect(await client.next()).toEqual({ topic: "@join", payload: ["open"] });
    // A backend may publish on it, but no client receives it.
    await operator.say("closed", "hello");
    await operator.say("open", "hello");
    expect(await client.next()).toMatchObject({ topic: "open" });
  });
});

describe("W15: a fresh token where the backend has chosen the user", () => {
  test("is compared with the token before; the backend's changes still hold, except the expiry", async () => {
    const backend = await jsonBackend();
    const limits = { connections_per_user: 1 };
    const node = await start(backend, ["connect"], { jwt, limits, access: "private" });
    const operator = new TestBackend(node);
    const soon = new Date(Date.now() + 30_000).toISOString();
    const client = await enter(node, backend, "id-17", { user: "alice", info: { vip: true }, expires: soon });
    const exp = Math.ceil(Date.now() / 1_000) + 600;
    for (let time = 0; time < 2; time += 1) {
      const fresh = await token({
        sub: "id-17",
        exp: exp + time,
        info: { vip: false },
        permissions: { join: ["foo"] },
      });
      expect(await client.ask(authenticate(fresh))).toMatchObject({ topic: "@authenticate" });
      const { connections } = await operator.call(control.listConnections, {});
      expect(connections.map(({ expires, info, user }) => [user, info, expires?.seconds])).toEqual([
        ["alice", { vip: true }, BigInt(exp + time)],
      ]);
    }
    await client.join("foo");
    for (const sub of ["alice", "id-18"]) {
      expect(await client.ask(authenticate(await token({ sub })))).toMatchObject({
        topic: "#authenticate",
        error: { code: "failed_precondition" },
      });
    }
    // It counts for the user named by the backend.
    const second = refusedUpgrade(`${node.ws}/ws`, headers(await token({ sub: "id-19" })));
    (await nextHookCall(backend, "OnConnect")).answer({ allow: { user: "alice" } });
    expect((await second).status).toBe(429);
    await enter(node, backend, "id-17", {});
  });

  test("of a client that connected without one must name the backend's user", async () => {
    const backend = await jsonBackend();
    const node = await start(backend, ["connect"], { jwt });
    const client = await enter(node, backend, "", { user: "alice" });
    const show = async (sub: string) => (await client.ask(authenticate(await token({ sub })))).topic;
    expect(await show("bob")).toBe("#authenticate");
    const alice = show("alice");
    // The hook was called for an anonymous client until now.
    (await nextHookCall(backend, "OnConnect")).answer({});
    expect([await alice, await show("alice"), await show("bob")]).toEqual([
      "@authenticate",
      "@authenticate",
      "#authenticate",
    ]);
    expect(backend.calls.unread).toEqual([]);
  });

  test("of a client whose info only the backend has set names the user", async () => {
    const backend = await jsonBackend();
    const node = await start(backend, ["connect", "join"], { jwt });
    const client = await enter(node, backend, "", { info: { from: "connect" } });
    const answer = client.ask(join("foo"));
    (await nextHookCall(backend, "OnJoin")).answer({ allow: { info: { from: "join" } } });
    await answer;
    const shown = client.ask(authenticate(await token({ sub: "bob", info: { from: "token" } })));
    const asked = await nextHookCall(backend, "OnConnect");
    expect(asked.request).toMatchObject({ client: { user: "bob", info: { from: "join" } } });
    asked.answer({});
    expect(await shown).toMatchObject({ topic: "@authenticate" });
    const { connections } = await new TestBackend(node).call(control.listConnections, { user: "bob" });
    expect(connections.map(({ info }) => info)).toEqual([{ from: "join" }]);
  });
});

test.each(BACKENDS)(
  "O10: sends no token to a backend by %s, wherever the token was",
  async (_protocol, startBackend) => {
    const backend = await startBackend();
    const credentials = { header: true, protocol: true, cookie: "session", query: true };
    const node = await start(backend, ["connect"], { jwt, credentials });
    const shown = await token();
    const opened = connect(
      `${node.ws}/ws?meta=1&token=${shown}`,
      { headers: { authorization: `Bearer ${shown}`, cookie: `theme=dark; session=${shown}` } },
      ["carillon", `bearer.${shown}`],
    );
    const asked = await nextHookCall(backend, "OnConnect");
    const { client, cookies, headers: told, query, uri } = asked.request as OnConnectRequest;
    asked.answer({});
    expect((await opened).webSocket.protocol).toBe("carillon");
    expect(JSON.stringify([uri, told, cookies, query])).not.toContain(shown);
    expect([client?.user, uri, cookies, query]).toEqual(["eve", "/ws?meta=1", { theme: "dark" }, { meta: "1" }]);
    expect(told).toContainEqual(expect.objectContaining({ name: "sec-websocket-protocol", value: "carillon" }));
  },
);

describe("O8: a number that JSON cannot hold", () => {
  test("is refused in a token's info", async () => {
    const backend = await jsonBackend();
    const node = await start(backend, ["join"], { jwt });
    const exp = Math.ceil(Date.now() / 1_000) + 60;
    const bad = raw('{"alg":"HS256"}', `{"sub":"eve","exp":${exp},"info":{"list":[{"n":1e999}]}}`);
    expect((await refusedUpgrade(`${node.ws}/ws`, headers(bad))).status).toBe(401);
    const client = await connect(`${node.ws}/ws`);
    expect(await client.ask(authenticate(bad))).toMatchObject({ error: { code: "unauthenticated" } });
    expect((await new TestBackend(node).call(control.listConnections, {})).connections).toHaveLength(1);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("is refused in a backend's answer: %d", async (n) => {
    const backend = await grpcBackend();
    const node = await start(backend, ["connect"]);
    const refused = refusedUpgrade(`${node.ws}/ws`);
    const value = { info: { list: [{ n }] } };
    const bytes = toBinary(
      OnConnectResponseSchema,
      create(OnConnectResponseSchema, { decision: { case: "allow", value } }),
    );
    (await nextHookCall(backend, "OnConnect")).answerBytes(bytes);
    expect((await refused).status).toBe(503);
    expect((await new TestBackend(node).call(control.listConnections, {})).connections).toEqual([]);
  });
});
