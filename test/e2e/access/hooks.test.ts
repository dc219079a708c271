import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import type { OnConnectRequest, OnDisconnectRequest, OnJoinRequest } from "../../../gen/carillon/v1/hook_pb.js";
import type { ConfigInput } from "../../../src/index.js";
import { allowAtEnd, BACKENDS, type Backend, nextHookCall } from "../../outbound/hooks/backend.js";
import { TestBackend, until } from "../../support/backends/backend.js";
import { connect, refusedUpgrade, type TestClient, wholeRefusal } from "../../support/clients/native.js";
import { metric } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const control = ControlService.method;

type VhostInput = NonNullable<ConfigInput["vhosts"]>[string];
type HookInput = NonNullable<VhostInput["hooks"]>;

const ALL = ["connect", "join", "publish", "disconnect"] as const;

async function start(backend: Backend, hooks: Partial<HookInput> = {}, vhost: VhostInput = {}): Promise<TestNode> {
  const node = await startNode({
    vhosts: { "/": { ...vhost, hooks: { url: backend.url, events: [...ALL], timeout: "8s", ...hooks } } },
  });
  allowAtEnd(backend);
  return node;
}

/** Connects with the backend's answer. */
async function enter(node: TestNode, backend: Backend, allow: object = {}): Promise<TestClient> {
  const opened = connect(`${node.ws}/ws`);
  (await nextHookCall(backend, "OnConnect")).answer({ allow } as never);
  return opened;
}

const join = (...topics: string[]) => ({ command: "join", topics, id: "join" });
const publish = (topic: string) => ({ command: "publish", topics: [topic], payload: "hello", id: "publish" });

const calls = (hook: string, outcome: string) => `carillon_hook_calls_total{hook="${hook}",outcome="${outcome}"}`;
const BREAKER_OPEN = 'carillon_hook_breaker_open{vhost="/"}';

describe.each(BACKENDS)("A9: a backend called by %s", (_protocol, startBackend) => {
  test("sets a client's user, expiry and topics at connect", async () => {
    const backend = await startBackend();
    const node = await start(backend, { key: "shared" }, { access: "private" });
    const opened = connect(`${node.ws}/ws?x=y`, { headers: { cookie: "sid=1", "x-forwarded-for": "192.0.2.1" } });
    const asked = await nextHookCall(backend, "OnConnect");
    const { client, cookies, uri } = asked.request as OnConnectRequest;
    expect(asked.authorization).toBe("Bearer shared");
    expect([client?.vhost, client?.user, client?.dialect, client?.address]).toEqual(["/", "", "native", "127.0.0.1"]);
    expect([uri, cookies]).toEqual(["/ws?x=y", { sid: "1" }]);
    const expires = new Date(Date.now() + 5_000).toISOString();
    asked.answer({ allow: { user: "eve", info: { vip: true }, topics: ["news", "eve"], expires } });

    const eve = await opened;
    expect(await eve.next()).toEqual({ topic: "@join", payload: ["news", "eve"] });
    const operator = new TestBackend(node);
    const { connections } = await operator.call(control.listConnections, { user: "eve" });
    expect(connections.map(({ id, info }) => [id, info])).toEqual([[client?.connectionId, { vip: true }]]);
    await operator.say("news", "hello");
    expect(await eve.next()).toEqual({ topic: "news", payload: "hello" });

    expect((await eve.closed).code).toBe(4401);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expires));
    const notification = await nextHookCall(backend, "OnDisconnect");
    notification.answer({});
    expect(notification.request).toMatchObject({
      code: 4401,
      client: { user: "eve", connectionId: client?.connectionId },
    });
  });

  test("refuses at connect with its own status, headers and body", async () => {
    const backend = await startBackend();
    const node = await start(backend);
    const refused = wholeRefusal(`${node.ws}/ws`);
    const body = Buffer.from('<p lang="de">Zuerst zahlen, bitte: 5 €</p>');
    const headers = [
      ["content-type", "text/html; charset=utf-8"],
      ["location", "https://example.com/pay?a=b"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ].map(([name = "", value = ""]) => ({ name, value }));
    (await nextHookCall(backend, "OnConnect")).answer({
      refuse: { status: 402, headers, body: body.toString("base64") },
    });
    expect(await refused).toEqual({
      status: 402,
      headers: {
        connection: "close",
        "content-length": String(body.length),
        "content-type": "text/html; charset=utf-8",
        location: "https://example.com/pay?a=b",
        "set-cookie": ["a=1", "b=2"],
      },
      body: body.toString(),
    });
    // No client was connected, so none has disconnected.
    expect(await metric(node, "carillon_connections")).toBe(0);
    expect(await metric(node, calls("connect", "refused"))).toBe(1);
    expect(backend.calls.unread).toEqual([]);
  });

  test("decides on joins after the rules, and changes the client", async () => {
    const backend = await startBackend();
    const node = await start(backend, {}, { topics: [{ match: "secret", access: "private" }] });
    const client = await enter(node, backend, { user: "eve" });

    const refused = client.ask(join("a", "b"));
    const first = await nextHookCall(backend, "OnJoin");
    expect(first.request).toMatchObject({ client: { user: "eve" }, topics: ["a", "b"], broker: "" });
    first.answer({ refuse: { code: "failed_precondition", message: "pay first" } });
    expect(await refused).toEqual({
      topic: "#join",
      payload: ["a", "b"],
      id: "join",
      error: { code: "failed_precondition", message: "pay first" },
    });

    // The rules refuse this, so the backend is not called.
    expect(await client.ask(join("a", "secret"))).toMatchObject({ error: { code: "permission_denied" } });
    const allowed = client.ask(join("a"));
    (await nextHookCall(backend, "OnJoin")).answer({ allow: { info: { paid: 5 }, topics: ["secret"], user: "adam" } });
    expect(await allowed).toEqual({ topic: "@join", payload: ["a"], id: "join" });
    expect(await client.next()).toEqual({ topic: "@join", payload: ["secret"] });
    for (const topic of ["b", "a", "secret"]) await new TestBackend(node).say(topic, topic);
    for (const topic of ["a", "secret"]) expect(await client.next()).toEqual({ topic, payload: topic });

    client.send(join("b"));
    const third = await nextHookCall(backend, "OnJoin");
    expect((third.request as OnJoinRequest).client).toMatchObject({ user: "eve", info: { paid: 5 } });
    third.answer({});
    expect(await client.next()).toMatchObject({ topic: "@join" });
  });

  test("decides on clients' publishes; refused messages are not delivered", async () => {
    const backend = await startBackend();
    const node = await start(backend, {}, { topics: [{ match: "chat", client_publish: true }] });
    const [eve, adam] = [await enter(node, backend, { user: "eve" }), await enter(node, backend)];
    const joined = adam.ask(join("chat"));
    (await nextHookCall(backend, "OnJoin")).answer({});
    expect((await joined).topic).toBe("@join");

    expect(await eve.ask(publish("news"))).toMatchObject({ error: { code: "permission_denied" } });
    const refused = eve.ask(publish("chat"));
    const asked = await nextHookCall(backend, "OnPublish");
    expect(asked.request).toMatchObject({ client: { user: "eve" }, topics: ["chat"], payload: Buffer.from("hello") });
    asked.answer({ refuse: { code: "resource_exhausted", message: "not so fast" } });
    expect(await refused).toEqual({
      topic: "#publish",
      payload: ["chat"],
      id: "publish",
      error: { code: "resource_exhausted", message: "not so fast" },
    });
    const unnamed = eve.ask(publish("chat"));
    (await nextHookCall(backend, "OnPublish")).answer({ refuse: {} });
    expect(await unnamed).toMatchObject({ error: { code: "permission_denied", message: "refused by the backend" } });

    const allowed = eve.ask({ ...publish("chat"), payload: "at last" });
    (await nextHookCall(backend, "OnPublish")).answer({});
    expect((await allowed).topic).toBe("@publish");
    expect(await adam.next()).toEqual({ topic: "chat", payload: "at last" });
    expect(adam.unread).toEqual([]);
    expect([await metric(node, calls("publish", "refused")), await metric(node, calls("publish", "allowed"))]).toEqual([
      2, 1,
    ]);
  });

  test("is notified of each disconnect once, with its code", async () => {
    const backend = await startBackend();
    const node = await start(backend);
    const ends: readonly [number, (client: TestClient) => unknown][] = [
      [1000, ({ webSocket }) => webSocket.close(1000)],
      [4001, ({ webSocket }) => webSocket.close(4001, "bored")],
      [1006, ({ webSocket }) => webSocket.terminate()],
      [1008, (client) => Array.from({ length: 10 }, () => client.send("nonsense"))],
      [
        4403,
        () => new TestBackend(node).call(control.disconnect, { target: { target: { case: "user", value: "u" } } }),
      ],
    ];
    for (const [code, end] of ends) {
      const client = await enter(node, backend, { user: "u" });
      await end(client);
      const asked = await nextHookCall(backend, "OnDisconnect");
      expect((asked.request as OnDisconnectRequest).code).toBe(code);
      expect((asked.request as OnDisconnectRequest).client?.user).toBe("u");
      // Its failure has no effect.
      asked.fail();
      await client.closed;
    }
    expect(backend.calls.unread).toEqual([]);
  });

  test("refuses everything when it fails, without showing the backend's error", async () => {
    const backend = await startBackend();
    const node = await start(backend, { breaker: { failures: 100 } });
    const turnedAway = wholeRefusal(`${node.ws}/ws`);
    (await nextHookCall(backend, "OnConnect")).fail();
    expect(await turnedAway).toMatchObject({
      status: 503,
      body: '{"code":"unavailable","message":"the backend did not answer"}\n',
    });
    const client = await enter(node, backend);
    const refused = client.ask(join("a"));
    (await nextHookCall(backend, "OnJoin")).fail();
    const { error, topic } = await refused;
    expect([topic, error?.code, error?.message]).toEqual(["#join", "unavailable", "the backend did not answer"]);
    await new TestBackend(node).say("a", "not for you");
    const joined = client.ask(join("b"));
    (await nextHookCall(backend, "OnJoin")).answer({});
    expect((await joined).topic).toBe("@join");
  });

  test("allows what the rules allow when it fails, where on_failure is allow", async () => {
    const backend = await startBackend();
    const node = await start(
      backend,
      { on_failure: "allow", breaker: { failures: 100 } },
      { client_publish: true, topics: [{ match: "secret", access: "private" }] },
    );
    const opened = connect(`${node.ws}/ws`);
    (await nextHookCall(backend, "OnConnect")).fail();
    const client = await opened;
    const joined = client.ask(join("a"));
    (await nextHookCall(backend, "OnJoin")).fail();
    expect((await joined).topic).toBe("@join");
    expect((await client.ask(join("secret"))).error?.code).toBe("permission_denied");
    client.send(publish("a"));
    (await nextHookCall(backend, "OnPublish")).fail();
    expect([(await client.next()).topic, (await client.next()).topic].toSorted()).toEqual(["@publish", "a"]);
  });

  test("times out", async () => {
    const backend = await startBackend();
    const node = await start(backend, { timeout: "3s" });
    const begin = performance.now();
    expect((await refusedUpgrade(`${node.ws}/ws`)).status).toBe(503);
    expect(performance.now() - begin).toBeGreaterThan(2_990);
    expect(await backend.cancelled.next()).toBe("OnConnect");
    expect(await metric(node, calls("connect", "late"))).toBe(1);
    // Its late answer is ignored.
    (await nextHookCall(backend, "OnConnect")).answer({ allow: { user: "late" } });
    const client = await enter(node, backend);
    expect((await new TestBackend(node).call(control.listConnections, {})).connections).toHaveLength(1);
    client.webSocket.close();
  });

  /** Lets the backend fail two joins, which opens the breaker. */
  async function openBreaker(pause: string) {
    const backend = await startBackend();
    const node = await start(backend, { breaker: { failures: 2, pause } });
    const client = await enter(node, backend);
    expect(await metric(node, BREAKER_OPEN)).toBe(0);
    for (let failure = 0; failure < 2; failure += 1) {
      const refused = client.ask(join("a"));
      (await nextHookCall(backend, "OnJoin")).fail();
      expect((await refused).error?.code).toBe("unavailable");
    }
    return { backend, node, client };
  }

  test("is not called after failures", async () => {
    const { backend, client, node } = await openBreaker("10m");
    expect(await metric(node, BREAKER_OPEN)).toBe(1);
    expect(await metric(node, calls("join", "failed"))).toBe(2);
    expect((await client.ask(join("a"))).error?.code).toBe("unavailable");
    expect((await refusedUpgrade(`${node.ws}/ws`)).status).toBe(503);
    expect(backend.calls.unread).toEqual([]);
    expect(await metric(node, calls("join", "breaker_open"))).toBe(1);
    expect(await metric(node, calls("connect", "breaker_open"))).toBe(1);
  });

  test("is called again after the pause", async () => {
    const { backend, client, node } = await openBreaker("100ms");
    // One probe is made, and succeeds.
    const answered = nextHookCall(backend, "OnJoin").then((asked) => asked.answer({}));
    await until(
      () => client.ask(join("a")),
      ({ topic }) => topic === "@join",
    );
    await answered;
    expect(await metric(node, BREAKER_OPEN)).toBe(0);
    const joined = client.ask(join("b"));
    (await nextHookCall(backend, "OnJoin")).answer({});
    expect((await joined).topic).toBe("@join");
  });

  test("receives at most the configured number of concurrent calls; others wait", async () => {
    const backend = await startBackend();
    const node = await start(backend, { concurrency: 2, events: ["join"] });
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(`${node.ws}/ws`)));
    const joins = clients.map((client) => client.ask(join("a")));
    const underWay = [await nextHookCall(backend, "OnJoin"), await nextHookCall(backend, "OnJoin")];
    for (let answered = 0; answered < clients.length; answered += 1) {
      // A round trip without the backend: any other call would have been made by now.
      await metric(node, calls("join", "allowed"));
      expect(backend.calls.unread).toEqual([]);
      underWay.shift()?.answer({});
      if (answered + 2 < clients.length) underWay.push(await nextHookCall(backend, "OnJoin"));
    }
    for (const joined of joins) expect((await joined).topic).toBe("@join");
    expect(await metric(node, calls("join", "allowed"))).toBe(6);
  });
});
