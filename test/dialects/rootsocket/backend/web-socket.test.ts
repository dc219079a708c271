import { ControlService } from "../../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../../gen/carillon/v1/token_pb.js";
import { bearer, TestBackend, until } from "../../../support/backends/backend.js";
import { connect, refusedUpgrade } from "../../../support/clients/native.js";
import {
  ask,
  channelToken,
  connectionToken,
  enter,
  KEY,
  settle,
  startApplication,
  subscribe,
  webSocketUrl,
} from "../../../support/clients/rootsocket.js";

test("S5: admits one client of a token at a time", async () => {
  const node = await startApplication();
  const token = await connectionToken(node);
  const client = await enter(node, token);
  expect(await refusedUpgrade(webSocketUrl(node, token))).toMatchObject({
    status: 401,
    body: expect.stringContaining("in use by another connection") as string,
  });
  client.webSocket.terminate();
  await client.closed;
  const again = await until(
    async () => (await connectOrStatus(webSocketUrl(node, token))) === "in",
    (isIn) => isIn,
  );
  expect(again).toBe(true);
});

async function connectOrStatus(url: string): Promise<"in" | number> {
  try {
    await connect(url);
    return "in";
  } catch (error) {
    return Number(/\d+/.exec(String(error))?.[0]);
  }
}

test("S5: serves the path without its final slash", async () => {
  const node = await startApplication();
  const token = await connectionToken(node);
  const client = await connect(webSocketUrl(node, token).replace(/\/$/, ""));
  client.send({ event: "ping" });
  expect(await client.nextText()).toBe('{"event":"pong"}');
});

test("S5: refuses upgrades with invalid, expired and other tokens with 401", async () => {
  const node = await startApplication({ vhosts: { "/shop": {} } });
  const backend = new TestBackend(node, bearer(KEY));
  const good = await connectionToken(node);
  const { token: short } = await backend.call(TokenService.method.createConnectionToken, { lifetime: { seconds: 1n } });
  const { token: access } = await backend.call(TokenService.method.createAccessToken, {});
  const [header = "", claims = "", signature = ""] = good.split(".");
  const elsewhere = Buffer.from(claims, "base64url").toString().replace('"/"', '"/shop"');
  const nowhere = Buffer.from(claims, "base64url").toString().replace('"/"', '"/gone"');
  const bad = [
    "x",
    "a.b.c",
    access,
    await channelToken(node, "test"),
    [header, claims, signature.slice(1)].join("."),
    [header, Buffer.from(elsewhere).toString("base64url"), signature].join("."),
    [header, Buffer.from(nowhere).toString("base64url"), signature].join("."),
  ];
  for (const token of bad) {
    const { status } = await refusedUpgrade(webSocketUrl(node, token));
    expect([token, status]).toEqual([token, 401]);
  }
  const expired = await until(
    () => connectOrStatus(webSocketUrl(node, short)),
    (answer) => answer !== "in",
  );
  expect(expired).toBe(401);
});

test("S5: takes the vhost from the token, and delivers nothing of another", async () => {
  const node = await startApplication({ vhosts: { "/": {}, "/shop": {} } });
  const client = await enter(node);
  await subscribe(client, "test", await channelToken(node, "test"));
  const shop = await connect(`${node.ws}/ws/shop`);
  await shop.join("test");
  await ask(node, "messages/", { body: { channel: "test", data: "x" } });
  expect(await client.nextText()).toBe('{"event":"test","data":{"raw":"x"}}');
  expect(await shop.ask({ command: "leave", topics: ["test"] })).toMatchObject({ topic: "@leave" });
});

/** Creates a message of the given number of bytes. */
function eventOf(length: number): string {
  const frame = '{"event":"test","data":{"raw":""}}';
  return frame.replace('""', `"${"x".repeat(length - frame.length)}"`);
}

test("S18: drops an event above 1 MB, and keeps its sender", async () => {
  const rootsocket = { allow_client_send: true };
  const node = await startApplication({ vhosts: { "/": { rootsocket } } });
  const client = await enter(node);
  await subscribe(client, "test", await channelToken(node, "test"));
  client.send(eventOf(1_048_577));
  const dropped = '{"event":"error","data":{"detail":"invalid event: it is larger than 1048576 bytes"}}';
  expect(await client.nextText()).toBe(dropped);
  // Unlike malformed frames, too large events never close the connection.
  for (let frames = 0; frames < 12; frames += 1) client.send(eventOf(1_048_577));
  for (let frames = 0; frames < 12; frames += 1) expect(await client.nextText()).toBe(dropped);
  client.send(eventOf(4 * 1_048_576));
  expect(await client.nextText()).toBe(dropped);
  client.send(eventOf(1_048_576));
  expect((await client.nextText()).length).toBe(1_048_576);
});

test("S18: closes on a frame larger than 4 MiB", async () => {
  const node = await startApplication();
  const client = await enter(node);
  client.send("x".repeat(4 * 1_048_576 + 1));
  expect((await client.closed).code).toBe(1_009);
});

test("S18: closes with 1009 on an event beyond limits.frame, when that is smaller than an event may be", async () => {
  const node = await startApplication({ limits: { frame: "64KiB", payload: "64KiB" } });
  const client = await enter(node);
  client.send(eventOf(65_537));
  expect((await client.closed).code).toBe(1_009);
});

test("S11: sends the protocol's own ping", async () => {
  const node = await startApplication({ ping: { interval: "1s", timeout: "500ms" } });
  const client = await enter(node);
  expect(await client.nextText()).toBe('{"event":"ping"}');
  client.send({ event: "pong" });
  await settle(client);
});

test("S11: counts pings where commands are limited", async () => {
  const node = await startApplication({ vhosts: { "/": { limits: { commands_per_second: 2 } } } });
  const client = await enter(node);
  for (const event of ["ping", "pong", "ping"]) client.send({ event });
  expect(await client.nextText()).toBe('{"event":"pong"}');
  const detail = "invalid event: this client exceeds its limit of commands per second";
  expect(await client.nextText()).toBe(JSON.stringify({ event: "error", data: { detail } }));
});

test("S22, S24: subscribes a client by the API without a notice, and reports the end of the subscription", async () => {
  const rootsocket = { allow_channel_subscription: false, allow_client_send: true };
  const node = await startApplication({ vhosts: { "/": { rootsocket } } });
  const client = await enter(node);
  const backend = new TestBackend(node, bearer(KEY));
  const { body } = await ask(node, "connections/", { method: "GET" });
  const [{ identifier: connectionId = "" } = {}] = body as { readonly identifier?: string }[];
  const target = { target: { case: "connectionId", value: connectionId } } as const;
  await backend.call(ControlService.method.subscribe, { target, topics: ["test", "ping", "a-b"] });
  await settle(client);
  await backend.say("test", "1");
  expect(await client.nextText()).toBe('{"event":"test","data":{"raw":"1"}}');
  await backend.say("ping", "2");
  expect(await client.nextText()).toBe('{"event":"#ping","data":{"raw":"2"}}');
  await backend.say("a-b", "3");
  expect(await client.nextText()).toBe('{"event":"a-b","data":{"raw":"3"}}');
  client.send({ event: "test", data: { raw: "4" } });
  expect(await client.nextText()).toBe('{"event":"test","data":{"raw":"4"}}');
  await backend.call(ControlService.method.unsubscribe, { target, topics: ["test"] });
  const detail = "cannot subscribe: the server has ended the subscription";
  expect(await client.nextText()).toBe(JSON.stringify({ event: "error", data: { detail, where: "test" } }));
  await settle(client);
});

test("S20: delivers messages of all other publishers", async () => {
  const node = await startApplication({ vhosts: { "/": { client_publish: true } } });
  const client = await enter(node);
  await subscribe(client, "test", await channelToken(node, "test"));
  const native = await connect(`${node.ws}/ws`);
  native.send({ command: "publish", topics: ["test"], payload: { a: 1 }, event: "e" });
  expect(await client.nextText()).toBe('{"event":"test","data":{"raw":"{\\"a\\":1}"}}');
});
