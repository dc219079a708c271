import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { SECRET } from "../access/jwts.js";
import { CONFIG, tokenFor } from "../dialects/socketio/support.js";
import { TestBackend } from "../support/backends/backend.js";
import { publish, say } from "../support/backends/publish.js";
import { startWorker } from "../support/backends/worker.js";
import { connect } from "../support/clients/native.js";
import type { SocketIoClient } from "../support/clients/socket-io.js";
import { startNode, type TestNode } from "../support/nodes/node.js";

/** Connects a client, with an optional token. Rejects if it is refused, with the reason in the message. */
export type ConnectSocketIo = (node: TestNode, token?: string) => Promise<SocketIoClient>;

/** Tests that Socket.IO clients of every language, protocol version and transport must pass. */
export function socketIoContract(connectTo: ConnectSocketIo): void {
  test("I1, I3: connects anonymously, and is elevated with a token", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node);
    const id = await idIn(node);
    expect(id).toMatch(/^[\da-f]{12}\.[\da-z]+$/);
    expect(await client.ask("spectate", { guild_id: "42" })).toMatchObject({ ok: false, error: { code: 401 } });
    expect(await client.heard.next()).toMatchObject({ event: "error", value: { code: 401, context: "spectate" } });

    client.emit("request_elevation", { token: "nonsense" });
    expect(await client.heard.next()).toMatchObject({
      event: "request_elevation_return",
      value: { success: false, room: null },
    });
    client.emit("request_elevation", { token: await tokenFor("eve") });
    const value = { success: true, room: `${id}_auth` };
    expect(await client.heard.next()).toEqual({ event: "request_elevation_return", value });
    expect(await client.ask("spectate", { guild_id: "42", include_logs: true })).toEqual({ ok: true });
    await publish(node, [{ topics: ["42"], event: "log_pool", payload: '{"line":"ü"}' }]);
    expect(await client.heard.next()).toEqual({ event: "log_pool", value: { line: "ü" } });
  });

  test("I1: allows nothing but elevation without a token when the vhost requires one", async () => {
    const { jwt } = CONFIG.vhosts?.["/"] ?? {};
    const node = await startNode({ vhosts: { "/": { jwt, anonymous: { connect: false } } } });
    const client = await connectTo(node);
    expect(await client.ask("join", { topics: ["foo"] })).toMatchObject({ ok: false, error: { code: 403 } });
    expect(await client.ask("request_elevation", { token: await tokenFor("eve") })).toMatchObject({ success: true });
    expect(await client.ask("join", { topics: ["foo"] })).toEqual({ ok: true });
  });

  test("I6: delivers messages in order, each once, with their values", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node);
    await client.ask("join", { topics: ["a"] });
    const payloads = Array.from({ length: 200 }, (_, count) => JSON.stringify({ count, text: "é".repeat(count) }));
    await publish(
      node,
      payloads.map((payload, count) => ({ topics: ["a"], payload, event: `e${count}` })),
    );
    for (const [count, payload] of payloads.entries()) {
      expect(await client.heard.next()).toEqual({ event: `e${count}`, value: JSON.parse(payload) as unknown });
    }
  });

  test("D3: delivers a payload that is not UTF-8 as bytes, and accepts bytes", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node, await tokenFor("eve"));
    await client.ask("join", { topics: ["a"] });
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 7) % 256));
    await publish(node, [
      { topics: ["a"], payload: "before" },
      { topics: ["a"], payload: bytes.subarray(0, 200), event: "bytes" },
      { topics: ["a"], payload: bytes },
      { topics: ["a"], payload: "after" },
    ]);
    expect(await client.heard.next()).toEqual({ event: "message", value: "before" });
    expect(await client.heard.next()).toEqual({ event: "bytes", value: bytes.subarray(0, 200) });
    expect(await client.heard.next()).toEqual({ event: "message", value: bytes });
    expect(await client.heard.next()).toEqual({ event: "message", value: "after" });

    const worker = await startWorker(node, ["*"]);
    const answer = client.ask("pool_request", bytes);
    const task = await worker.tasks.next();
    expect(Buffer.from(task.payload).equals(bytes)).toBe(true);
    worker.answer(task, bytes.subarray(0, 300), false);
    expect(await answer).toEqual({ data: bytes.subarray(0, 300), finished: true });
    expect(await client.ask("pool_request", { nested: bytes })).toMatchObject({ ok: false, error: { code: 400 } });
  });

  test("I8: passes the caller to the worker, and acknowledges with its answer", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node, await tokenFor("eve"));
    const worker = await startWorker(node, ["*"]);
    const answer = client.ask("pool_request", { pool: "p", _id: "r" });
    const task = await worker.tasks.next();
    expect(task).toMatchObject({
      event: "pool_request",
      user: "eve",
      connectionId: await idIn(node),
      info: { roles: ["mod"] },
    });
    worker.answer(task, '{"size":3}');
    expect(await answer).toEqual({ size: 3, _id: "r", finished: true });
  });

  test("I11: delivers messages for the connection and for its user", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node, await tokenFor("eve"));
    await publish(node, [{ topics: [`$connection.${await idIn(node)}`], payload: "1", event: "to_you" }]);
    expect(await client.heard.next()).toEqual({ event: "to_you", value: 1 });
    await say(node, "$user.eve", '{"to":"eve"}');
    expect(await client.heard.next()).toEqual({ event: "message", value: { to: "eve" } });
  });

  test("D1: delivers messages published by others to all members", async () => {
    const node = await startNode({ vhosts: { "/": { client_publish: true } } });
    const client = await connectTo(node);
    await client.ask("join", { topics: ["a"] });
    const native = await connect(`${node.ws}/ws`);
    await native.join("a");
    native.send({ command: "publish", topics: ["a"], payload: { x: 1 }, event: "e" });
    expect(await client.heard.next()).toEqual({ event: "e", value: { x: 1 } });
    expect(await native.next()).toMatchObject({ topic: "@publish" });
    expect(await native.next()).toMatchObject({ topic: "a", payload: '{"x":1}' });
  });

  test("I13: notifies a client whose token has expired, and ends its connection", async () => {
    const node = await startNode({ vhosts: { "/": { jwt: { secret: SECRET, leeway: "0s" } } } });
    const client = await connectTo(node);
    // The token is created after connecting, because a client in a process of its own may take seconds to start.
    const token = await tokenFor("eve", { exp: Math.floor(Date.now() / 1_000) + 6 });
    expect(await client.ask("request_elevation", { token })).toMatchObject({ success: true });
    expect(await client.heard.next()).toMatchObject({ event: "error", value: { code: 4401 } });
    await client.ended.next();
  });

  test("I14: keeps the connection for deep and unusual values", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node, await tokenFor("eve"));
    const strange = [
      null,
      [],
      7,
      "x",
      { topics: { length: 1 } },
      { topics: [1] },
      '{"__proto__":{"topics":["a"]}}',
      true,
    ];
    for (const value of strange) {
      expect(await client.ask("join", value)).toMatchObject({ ok: false, error: { code: 400 } });
      expect(await client.ask("toString", value)).toMatchObject({ ok: false, error: { code: 404 } });
    }
    expect(await client.ask("__proto__", JSON.parse('{"__proto__":{"x":1}}'))).toMatchObject({ ok: false });
    expect(await client.ask("join", { topics: ["a"] })).toEqual({ ok: true });
  });

  test("I2: refuses an invalid token with a reason", async () => {
    const node = await startNode(CONFIG);
    await expect(connectTo(node, "nonsense")).rejects.toThrow("invalid token");
    const client = await connectTo(node, await tokenFor("eve"));
    expect(await client.ask("join", { topics: ["staff.eve"] })).toEqual({ ok: true });
  });

  test("I4: watches one group at a time", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node, await tokenFor("eve"));
    expect(await client.ask("spectate", { guild_id: "607637793107345431", include_logs: true })).toEqual({ ok: true });
    await publish(node, [{ topics: ["607637793107345431_logs"], event: "log_pool", payload: "1" }]);
    expect(await client.heard.next()).toEqual({ event: "log_pool", value: 1 });
    expect(await client.ask("spectate", "43")).toEqual({ ok: true });
    await publish(node, [{ topics: ["607637793107345431"], payload: "2" }]);
    await publish(node, [{ topics: ["43"], payload: "3" }]);
    expect(await client.heard.next()).toEqual({ event: "message", value: 3 });
  });

  test("I9: receives parts of an answer as events, and the last as the acknowledgement", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node, await tokenFor("eve"));
    const worker = await startWorker(node, ["*"]);
    const answer = client.ask("pool_request", { _id: 5 });
    const task = await worker.tasks.next();
    worker.answer(task, '{"part":1}', true);
    expect(await client.heard.next()).toEqual({ event: "pool_response", value: { part: 1, _id: 5, finished: false } });
    worker.answer(task, '{"part":2}');
    expect(await answer).toEqual({ part: 2, _id: 5, finished: true });
  });

  test("I10: sends the details of an error as a string", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node);
    client.emit("pool_request", { _id: 3 });
    expect(await client.heard.next()).toEqual({
      event: "error",
      value: {
        message: expect.any(String) as string,
        human: "Please sign in first.",
        details: "unauthenticated",
        context: "pool_request",
        code: 401,
        _id: 3,
      },
    });
  });

  test("I19: decides a request by its own token", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node);
    const worker = await startWorker(node, ["*"]);
    const answer = client.ask("pool_request", { token: await tokenFor("eve"), n: 1 });
    const task = await worker.tasks.next();
    expect(task).toMatchObject({ user: "eve", payload: Buffer.from('{"n":1}') });
    worker.answer(task, "{}");
    expect(await answer).toEqual({ finished: true });
    expect(await client.ask("pool_request", { n: 2 })).toMatchObject({ ok: false, error: { code: 401 } });
  });

  test("I15: handles a burst of many messages with characters that protocols count differently", async () => {
    const node = await startNode(CONFIG);
    const client = await connectTo(node);
    await client.ask("join", { topics: ["a"] });
    const payloads = Array.from({ length: 100 }, (_, count) => `n${"😀ü".repeat(count % 7)}${count}`);
    await publish(
      node,
      payloads.map((payload, count) => ({ topics: ["a"], payload, event: count % 2 === 0 ? "😀" : "e" })),
    );
    await publish(node, [{ topics: ["a"], payload: Uint8Array.of(255, 0), event: "bytes" }]);
    for (const [count, value] of payloads.entries()) {
      expect(await client.heard.next()).toEqual({ event: count % 2 === 0 ? "😀" : "e", value });
    }
    expect(await client.heard.next()).toEqual({ event: "bytes", value: Buffer.of(255, 0) });
  });
}

/** Returns the session id of the only client, because not all clients know their own. */
async function idIn(node: TestNode): Promise<string> {
  const { connections } = await new TestBackend(node).call(ControlService.method.listConnections, {});
  const [id, ...more] = connections.filter(({ dialect }) => dialect === "socketio").map((connection) => connection.id);
  if (id === undefined || more.length > 0) throw new Error("not one client");
  return id;
}
