import type { Socket } from "socket.io-client";
import { socketIoContract } from "../../contract/socketio.js";
import { CONFIG, tokenFor } from "../../dialects/socketio/support.js";
import { say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { connectStock, stockClient, TRANSPORTS, VERSIONS } from "../../support/clients/socket-io.js";
import { keepAddress } from "../../support/net/kept-address.js";
import { startNode } from "../../support/nodes/node.js";

const CLIENTS = VERSIONS.flatMap((version) => TRANSPORTS.map((transport) => [version, transport] as const));

describe.each(CLIENTS)("socket.io-client %s over %s", (version, transport) => {
  const options = { version, transports: [transport] };
  /** Whether the client speaks Engine.IO 3. */
  const isOld = version === "2.3.0";

  socketIoContract((node, token) =>
    connectStock(node.http, { ...options, ...(token !== undefined && { auth: { token } }) }),
  );

  test("I2: elevates a client at once by a token in the handshake, the header or the cookie, and refuses a bad token", async () => {
    const node = await startNode(CONFIG);
    const token = await tokenFor("eve");
    const ways = [
      { auth: { token } },
      { extraHeaders: { authorization: `Bearer ${token}` } },
      { extraHeaders: { cookie: `a=b; session=${token}` } },
      ...(isOld ? [] : [{ auth: { token }, extraHeaders: { authorization: `Bearer ${await tokenFor("bob")}` } }]),
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
        message: expect.stringContaining("invalid token") as string,
        data: isOld ? { code: 401, details: "unauthenticated" } : { code: "unauthenticated" },
      });
    }
  });

  test("I12: serves vhosts as namespaces, several of them on one connection", async () => {
    const { socket: first, node } = await inVhosts();
    const shop = first.io.socket("/shop", { auth: {} });
    const connected = new Promise<void>((resolve) => shop.on("connect", resolve));
    await connected;
    expect(shop.id).not.toBe(first.id);
    const heard = new Promise((resolve) => shop.on("message", resolve));
    const unheard: unknown[] = [];
    first.on("message", (value) => unheard.push(value));
    await askOn(shop, "join", { topics: ["a"] });
    await askOn(first, "join", { topics: ["a"] });
    const native = await connect(`${node.ws}/ws/shop`);
    native.send({ command: "publish", topics: ["a"], payload: "for the shop" });
    expect(await heard).toBe("for the shop");
    shop.disconnect();
    await say(node, "a", "for the first");
    await askOn(first, "leave", { topics: ["a"] });
    expect(unheard).toEqual(["for the first"]);
    await expect(connectStock(`${node.http}/none`, options)).rejects.toThrow("Invalid namespace");
  });

  async function inVhosts() {
    const node = await startNode({ vhosts: { "/shop": { client_publish: true } } });
    const { socket } = await connectStock(node.http, options);
    return { node, socket };
  }

  test("I13: sends clients to another node at a stop, and notifies them", async () => {
    const http = await keepAddress();
    const first = await startNode({ ...CONFIG, http });
    const client = await connectStock(first.http, {
      ...options,
      reconnection: true,
      reconnectionDelay: 10,
      reconnectionDelayMax: 100,
    });
    const { id } = client;
    await first.carillon.stop();
    // A client between two polls finds no node any more, and is not notified.
    const told = client.heard.unread.filter(({ event }) => event === "error").map(({ value }) => value);
    expect([
      [],
      [expect.objectContaining({ code: 1012, message: "service restart, retry after 1-10 s" })],
    ]).toContainEqual(told);
    expect(transport === "polling" || told.length === 1).toBe(true);
    expect(await client.ended.next()).toMatch(/^transport (?:close|error)$/);
    const connected = new Promise((resolve) => {
      client.socket.once("connect", () => resolve(undefined));
    });
    await startNode({ ...CONFIG, http });
    await connected;
    expect(client.id).not.toBe(id);
    expect(await client.ask("join", { topics: ["a"] })).toEqual({ ok: true });
  });
});

test.each(VERSIONS)("I15: upgrades a polling client to a WebSocket without loss (%s)", async (version) => {
  const node = await startNode(CONFIG);
  const client = stockClient(node.http, { version });
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

test.each(VERSIONS)("I2: tells a client that connects too often when to retry (%s)", async (version) => {
  const node = await startNode({ vhosts: { "/": { limits: { handshakes_per_second: 1 } } } });
  const code = version === "2.3.0" ? { code: 429, details: "resource_exhausted" } : { code: "resource_exhausted" };
  const options = { version, transports: ["websocket"] };
  // On a slow machine, repeats until a second client connects within a second of the first, and is refused.
  let refusal: unknown;
  while (refusal === undefined) {
    const attempts = Array.from({ length: 5 }, () => connectStock(node.http, options));
    const outcomes = await Promise.allSettled(attempts);
    refusal = outcomes.find((outcome) => outcome.status === "rejected")?.reason;
  }
  expect(refusal).toMatchObject({ data: { ...code, retry_after: 1 } });
});

/** Emits an event with an acknowledgement, because not all versions have `emitWithAck`. */
function askOn(socket: Socket, event: string, value: object): Promise<unknown> {
  return new Promise((resolve) => {
    socket.emit(event, value, resolve);
  });
}
