import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import type { OnConnectRequest } from "../../../gen/carillon/v1/hook_pb.js";
import { SECRET } from "../../access/jwts.js";
import { tokenFor } from "../../dialects/socketio/support.js";
import { allowAll, allowAtEnd, type Backend, jsonBackend } from "../../outbound/hooks/backend.js";
import { TestBackend, until } from "../../support/backends/backend.js";
import { publish } from "../../support/backends/publish.js";
import { connectStock, stockClient, TRANSPORTS, VERSIONS } from "../../support/clients/socket-io.js";
import { metric } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const { method: control } = ControlService;

type Event = "connect" | "join" | "disconnect";

async function startAsking(events: Event[], vhost: object = {}): Promise<{ node: TestNode; backend: Backend }> {
  const backend = await jsonBackend();
  const hooks = { url: backend.url, events, timeout: "8s" };
  const node = await startNode({ vhosts: { "/": { jwt: { secret: SECRET }, hooks, ...vhost } } });
  allowAtEnd(backend);
  return { node, backend };
}

const CLIENTS = VERSIONS.flatMap((version) => TRANSPORTS.map((transport) => [version, transport] as const));

/** Returns the ids of all connections. */
async function idsAt(node: TestNode): Promise<string[]> {
  const { connections } = await new TestBackend(node).call(control.listConnections, {});
  return connections.map(({ id }) => id);
}

describe.each(CLIENTS)("Socket.IO's client %s over %s", (version, transport) => {
  const options = { version, transports: [transport] };
  /** Whether the client speaks Engine.IO 3, in which a client does not know its id, and a refusal is another packet. */
  const isOld = version === "2.3.0";

  test("I11: lets a backend list clients, join and leave for them, and disconnect them", async () => {
    const node = await startNode();
    const client = await connectStock(node.http, { ...options, extraHeaders: { "user-agent": "app/1" } });
    const backend = new TestBackend(node);
    const { connections } = await backend.call(control.listConnections, {});
    expect(connections).toMatchObject([{ dialect: "socketio", address: "127.0.0.1", userAgent: "app/1" }]);
    const [id = ""] = await idsAt(node);
    expect(isOld || client.id === id).toBe(true);
    const target = { target: { case: "connectionId" as const, value: id } };
    await backend.call(control.subscribe, { target, topics: ["a"] });
    expect(await client.heard.next()).toEqual({ event: "join", value: { topics: ["a"] } });
    await backend.say("a", "1");
    expect(await client.heard.next()).toEqual({ event: "message", value: 1 });
    await backend.call(control.unsubscribe, { target, topics: ["a"] });
    expect(await client.heard.next()).toEqual({ event: "leave", value: { topics: ["a"] } });
    await backend.call(control.disconnect, { target, code: 4000, reason: "enough" });
    const value = { code: 4000, message: "enough", context: "connection" };
    expect(await client.heard.next()).toMatchObject({ event: "error", value });
    expect(await client.ended.next()).toBe("io server disconnect");
  });

  test("I12: serves a vhost created at run time as a namespace until it is deleted", async () => {
    const node = await startNode();
    const backend = new TestBackend(node);
    await expect(connectStock(`${node.http}/made`, options)).rejects.toThrow("Invalid namespace");
    for (let time = 0; time < 2; time += 1) {
      await backend.call(control.createVhost, { path: "/made" });
      const client = await connectStock(`${node.http}/made`, options);
      expect(await client.ask("join", { topics: ["a"] })).toEqual({ ok: true });
      await backend.call(control.deleteVhost, { path: "/made" });
      expect(await client.heard.next()).toMatchObject({ event: "error", value: { code: 4404 } });
      expect(await client.ended.next()).toBe("io server disconnect");
    }
    await expect(connectStock(`${node.http}/made`, options)).rejects.toThrow("Invalid namespace");
  });

  test("I2: asks the backend to admit a client, and never sends it the token", async () => {
    const { backend, node } = await startAsking(["connect"]);
    const token = await tokenFor("eve");
    const client = stockClient(node.http, {
      ...options,
      query: { token, x: "y" },
      extraHeaders: { authorization: `Bearer ${token}` },
    });
    const connected = client.connected();
    const asked = await backend.calls.next();
    const { client: who, uri } = asked.request as OnConnectRequest;
    expect(who).toMatchObject({ dialect: "socketio", user: "eve" });
    expect(uri).toMatch(/^\/socket\.io\/\?.*x=y/);
    expect(
      JSON.stringify(asked.request, (_key, value: unknown) => (typeof value === "bigint" ? "" : value)),
    ).not.toContain(token);
    asked.answer({ allow: { topics: ["a"] } });
    await connected;
    expect(await client.heard.next()).toEqual({ event: "join", value: { topics: ["a"] } });
    const second = stockClient(node.http, options);
    const refused = second.connected().catch((error: unknown) => error);
    (await backend.calls.next()).answer({ refuse: { status: 403 } });
    const data = isOld ? { code: 403, details: "permission_denied" } : { code: "permission_denied" };
    expect(await refused).toMatchObject({ data: { ...data, status: 403 } });
  });

  test("I19: ignores a token in a request when the backend decides about every user", async () => {
    const { backend, node } = await startAsking(["connect"], { socketio: { calls: [{ event: "e" }] } });
    const connecting = connectStock(node.http, options);
    (await backend.calls.next()).answer({ allow: {} });
    const client = await connecting;
    const token = await tokenFor("eve");
    const error = { code: 401, message: expect.stringContaining("a token in a request is not accepted") as string };
    expect(await client.ask("e", { token })).toMatchObject({ ok: false, error });
    const elevation = client.ask("request_elevation", { token });
    const asked = await backend.calls.next();
    expect(asked.request).toMatchObject({ client: { user: "eve" } });
    asked.answer({ allow: {} });
    expect(await elevation).toMatchObject({ success: true });
  });

  test("I17: keeps nothing of a client that disconnects during the admission decision", async () => {
    const { backend, node } = await startAsking(["connect"], { limits: { connections: 1 } });
    const client = stockClient(node.http, options);
    client.connected().catch(() => {});
    const asked = await backend.calls.next();
    client.socket.io.engine.close();
    while ((await metric(node, "carillon_connections")) > 0);
    asked.answer({ allow: {} });
    void allowAll(backend);
    // Its slot is released when the backend has answered.
    const other = await until(
      () => connectStock(node.http, options).catch(() => undefined),
      (connected) => connected !== undefined,
    );
    expect(await idsAt(node)).toHaveLength(1);
    expect(other?.socket.connected).toBe(true);
  });

  test("O6: bounds the reading of a client while an event waits for the backend, and loses nothing", async () => {
    const { backend, node } = await startAsking(["join"]);
    const client = await connectStock(node.http, options);
    const first = client.ask("join", { topics: ["first"] });
    const asked = await backend.calls.next();
    // Older versions put all waiting packets into a single request, without a limit.
    const filler = "x".repeat(version === "4.x" ? 30_000 : 5_000);
    const others = Array.from({ length: 150 }, () => client.ask("unknown", { filler }));
    const [id = ""] = await idsAt(node);
    await publish(node, [{ topics: [`$connection.${id}`], payload: "1" }]);
    expect(await client.heard.next()).toEqual({ event: "message", value: 1 });
    asked.answer({ allow: {} });
    expect(await first).toEqual({ ok: true });
    for (const answer of others) expect(await answer).toMatchObject({ ok: false, error: { code: 404 } });
  });
});
