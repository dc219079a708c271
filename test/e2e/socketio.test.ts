import { SECRET } from "../access/jwts.js";
import { CONFIG, tokenFor } from "../dialects/socketio/support.js";
import { connect } from "../support/client.js";
import { startNode } from "../support/node.js";
import { publish, say } from "../support/publish.js";
import { connectStock, stockClient, TRANSPORTS } from "../support/socket-io-client.js";
import { startWorker } from "../support/worker.js";

describe.each(TRANSPORTS)("the stock Socket.IO client over %s", (transport) => {
  const options = { transports: [transport] };

  test("I1, I3: comes in as nobody, and is elevated when it shows a token", async () => {
    const node = await startNode(CONFIG);
    const client = await connectStock(node.http, options);
    expect(client.id).toMatch(/^[\da-f]{12}\.[\da-z]+$/);
    expect(await client.ask("spectate", { guild_id: "42" })).toMatchObject({ ok: false, error: { code: 401 } });
    expect(await client.heard.next()).toMatchObject({ event: "error", value: { code: 401, context: "spectate" } });

    client.emit("request_elevation", { token: "nonsense" });
    expect(await client.heard.next()).toMatchObject({
      event: "request_elevation_return",
      value: { success: false, room: null },
    });
    client.emit("request_elevation", { token: await tokenFor("eve") });
    const value = { success: true, room: `${client.id}_auth` };
    expect(await client.heard.next()).toEqual({ event: "request_elevation_return", value });
    expect(await client.ask("spectate", { guild_id: "42", include_logs: true })).toEqual({ ok: true });
    await publish(node, [{ topics: ["42"], event: "log_pool", payload: '{"line":"ü"}' }]);
    expect(await client.heard.next()).toEqual({ event: "log_pool", value: { line: "ü" } });
  });

  test("I2: a token in the handshake, the header or the cookie elevates at once; a bad one refuses", async () => {
    const node = await startNode(CONFIG);
    const token = await tokenFor("eve");
    const ways = [
      { auth: { token } },
      { extraHeaders: { authorization: `Bearer ${token}` } },
      { extraHeaders: { cookie: `a=b; session=${token}` } },
      { auth: { token }, extraHeaders: { authorization: `Bearer ${await tokenFor("bob")}` } },
    ];
    for (const way of ways) {
      const client = await connectStock(node.http, { ...options, ...way });
      expect(await client.ask("join", { topics: ["staff.eve"] })).toEqual({ ok: true });
    }
    const bad = [
      { auth: { token: await tokenFor("eve", { exp: 1 }) } },
      { extraHeaders: { authorization: "Bearer x" } },
      { extraHeaders: { cookie: "session=x" } },
    ];
    for (const way of bad) {
      await expect(connectStock(node.http, { ...options, ...way })).rejects.toMatchObject({
        message: expect.stringContaining("refused") as string,
        data: { code: "unauthenticated" },
      });
    }
  });

  test("I1: whoever comes in where nobody is let in without a token can be elevated, and do nothing before", async () => {
    const { jwt } = CONFIG.vhosts?.["/"] ?? {};
    const node = await startNode({ vhosts: { "/": { jwt, anonymous: { connect: false } } } });
    const client = await connectStock(node.http, options);
    expect(await client.ask("join", { topics: ["foo"] })).toMatchObject({ ok: false, error: { code: 403 } });
    expect(await client.ask("request_elevation", { token: await tokenFor("eve") })).toMatchObject({ success: true });
    expect(await client.ask("join", { topics: ["foo"] })).toEqual({ ok: true });
  });

  test("I6: messages come in order, each once, as what they are", async () => {
    const node = await startNode(CONFIG);
    const client = await connectStock(node.http, options);
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

  test("D3: what is no text comes as bytes, and bytes may be sent", async () => {
    const node = await startNode(CONFIG);
    const client = await connectStock(node.http, { ...options, auth: { token: await tokenFor("eve") } });
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

  test("I8: who asks is told to the worker, and its answer acknowledges", async () => {
    const node = await startNode(CONFIG);
    const client = await connectStock(node.http, { ...options, auth: { token: await tokenFor("eve") } });
    const worker = await startWorker(node, ["*"]);
    const answer = client.ask("pool_request", { pool: "p", _id: "r" });
    const task = await worker.tasks.next();
    expect(task).toMatchObject({
      event: "pool_request",
      user: "eve",
      connectionId: client.id,
      info: { roles: ["mod"] },
    });
    worker.answer(task, '{"size":3}');
    expect(await answer).toEqual({ size: 3, _id: "r", finished: true });
  });

  test("I11: a message for the connection, or for its user, reaches the socket", async () => {
    const node = await startNode(CONFIG);
    const client = await connectStock(node.http, { ...options, auth: { token: await tokenFor("eve") } });
    await publish(node, [{ topics: [`$connection.${client.id}`], payload: "1", event: "to_you" }]);
    expect(await client.heard.next()).toEqual({ event: "to_you", value: 1 });
    await say(node, "$user.eve", '{"to":"eve"}');
    expect(await client.heard.next()).toEqual({ event: "message", value: { to: "eve" } });
  });

  test("D1: hears what others publish, and others hear with it", async () => {
    const node = await startNode({ vhosts: { "/": { client_publish: true } } });
    const client = await connectStock(node.http, options);
    await client.ask("join", { topics: ["a"] });
    const native = await connect(`${node.ws}/ws`);
    await native.join("a");
    native.send({ command: "publish", topics: ["a"], payload: { x: 1 }, event: "e" });
    expect(await client.heard.next()).toEqual({ event: "e", value: { x: 1 } });
    expect(await native.next()).toMatchObject({ topic: "@publish" });
    expect(await native.next()).toMatchObject({ topic: "a", payload: '{"x":1}' });
  });

  test("I12: vhosts are namespaces, and one connection may be in several", async () => {
    const { socket: first, node } = await inVhosts();
    const shop = first.io.socket("/shop", { auth: {} });
    const connected = new Promise<void>((resolve) => shop.on("connect", resolve));
    await connected;
    expect(shop.id).not.toBe(first.id);
    const heard = new Promise((resolve) => shop.on("message", resolve));
    const unheard: unknown[] = [];
    first.on("message", (value) => unheard.push(value));
    await shop.emitWithAck("join", { topics: ["a"] });
    await first.emitWithAck("join", { topics: ["a"] });
    const native = await connect(`${node.ws}/ws/shop`);
    native.send({ command: "publish", topics: ["a"], payload: "for the shop" });
    expect(await heard).toBe("for the shop");
    shop.disconnect();
    await say(node, "a", "for the first");
    await first.emitWithAck("leave", { topics: ["a"] });
    expect(unheard).toEqual(["for the first"]);
    await expect(connectStock(`${node.http}/none`, options)).rejects.toThrow("Invalid namespace");
  });

  async function inVhosts() {
    const node = await startNode({ vhosts: { "/shop": { client_publish: true } } });
    const { socket } = await connectStock(node.http, options);
    return { node, socket };
  }

  test("I13: a node that stops sends its clients to another one, and says so", async () => {
    const first = await startNode(CONFIG);
    const client = await connectStock(first.http, {
      ...options,
      reconnection: true,
      reconnectionDelay: 10,
      reconnectionDelayMax: 100,
    });
    const { id } = client;
    await first.carillon.stop();
    // One that is between two polls finds nobody any more, and is told nothing.
    const told = client.heard.unread.filter(({ event }) => event === "error").map(({ value }) => value);
    expect([[], [expect.objectContaining({ code: 1012, message: "service restart" })]]).toContainEqual(told);
    expect(transport === "polling" || told.length === 1).toBe(true);
    expect(await client.ended.next()).toMatch(/^transport (?:close|error)$/);
    const connected = new Promise((resolve) => {
      client.socket.once("connect", () => resolve(undefined));
    });
    await startNode({ ...CONFIG, http: new URL(first.http).host });
    await connected;
    expect(client.id).not.toBe(id);
    expect(await client.ask("join", { topics: ["a"] })).toEqual({ ok: true });
  });

  test("I13: a client whose token has expired is told, and stays away", async () => {
    const node = await startNode({ vhosts: { "/": { jwt: { secret: SECRET, leeway: "0s" } } } });
    const exp = Math.floor(Date.now() / 1_000) + 2;
    const client = await connectStock(node.http, { ...options, auth: { token: await tokenFor("eve", { exp }) } });
    expect(await client.heard.next()).toMatchObject({ event: "error", value: { code: 4401 } });
    expect(await client.ended.next()).toBe("io server disconnect");
  });

  test("I14: deep and strange values throw nobody out", async () => {
    const node = await startNode(CONFIG);
    const client = await connectStock(node.http, { ...options, auth: { token: await tokenFor("eve") } });
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
});

test("I15: a client that polls first comes to a WebSocket, and misses nothing meanwhile", async () => {
  const node = await startNode(CONFIG);
  const client = stockClient(node.http);
  await client.connected();
  await client.ask("join", { topics: ["a"] });
  let count = 0;
  const send = async (): Promise<void> => {
    await say(node, "a", String(count));
    count += 1;
  };
  while (client.socket.io.engine.transport.name !== "websocket") await send();
  for (let more = 0; more < 20; more += 1) await send();
  for (let expected = 0; expected < count; expected += 1) {
    expect(await client.heard.next()).toEqual({ event: "message", value: expected });
  }
  expect(client.socket.io.engine.transport.name).toBe("websocket");
});
