import type { ConfigInput } from "../../../src/index.js";
import { publish, say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";
import { BroadcasterClient, PATH, SECRET, token } from "./client.js";

const BROADCASTER = { broadcaster: { secret: SECRET } };

function withVhost(settings: NonNullable<ConfigInput["vhosts"]>[string] = {}): ConfigInput {
  return { vhosts: { "/": { ...BROADCASTER, ...settings } } };
}

test("B14: counts messages for each connection in shared frames", async () => {
  const node = await startNode(withVhost());
  const clients: BroadcasterClient[] = [];
  for (let number = 0; number < 12; number += 1) {
    clients.push(await BroadcasterClient.subscribed(node, PATH, number % 2 === 0 ? "c" : "other"));
    await publish(node, [{ topics: ["c", "other"], payload: String(number) }]);
  }
  // Several messages in one turn, in a single write.
  const payloads = Array.from({ length: 20 }, (_, number) => ({ topics: ["c", "other"], payload: `burst ${number}` }));
  await publish(node, payloads);
  for (const [number, client] of clients.entries()) {
    const wanted = 12 - number + 20;
    const got = [];
    for (let count = 0; count < wanted; count += 1) got.push(await client.next());
    expect(got.map(({ seq }) => seq)).toEqual(Array.from({ length: wanted }, (_, position) => position + 1));
    expect(new Set(got.map(({ channel }) => channel))).toEqual(new Set([number % 2 === 0 ? "c" : "other"]));
    expect(got.slice(-20).map(({ payload }) => payload)).toEqual(payloads.map(({ payload }) => payload));
    // No other frame arrives before this answer.
    expect(await client.ask("heartbeat")).toMatchObject({ result: {} });
  }
});

test("B14: shows a slow client's lost messages as a gap in seq", async () => {
  const many = 120;
  const node = await startNode(withVhost({ topics: [{ match: "c", slow_consumer: "drop_oldest" }] }));
  const client = await BroadcasterClient.subscribed(node, PATH, "c");
  client.webSocket.pause();
  for (let number = 1; number <= many; number += 1) {
    await publish(node, [{ topics: ["c"], payload: `${number}:`.padEnd(200_000, "x") }]);
  }
  client.webSocket.resume();
  const got: { seq: number; number: number }[] = [];
  while (got.at(-1)?.number !== many) {
    const { payload, seq } = await client.next();
    got.push({ seq, number: Number.parseInt(String(payload), 10) });
  }
  expect(got.length).toBeLessThan(many);
  for (const { number, seq } of got) expect(seq).toBe(number);
});

test("B14: sends the same messages to a client with compression", async () => {
  const node = await startNode({ ...withVhost(), compression: true });
  const client = await connect(`${node.ws}/broadcaster/websocket`, { perMessageDeflate: true });
  for (const [method, params] of [
    ["auth", { token: await token() }],
    ["subscribe", { channel: "c" }],
  ] as const) {
    client.send({ id: 1, method, params });
    expect(await client.nextText()).toMatch(/^\{"requestId":1,"result":/);
  }
  for (const seq of [1, 2]) {
    await say(node, "c", "x".repeat(5_000));
    expect(JSON.parse(await client.nextText())).toMatchObject({ params: { seq, payload: "x".repeat(5_000) } });
  }
});

test("B14: counts messages for a user or a connection, too", async () => {
  const node = await startNode(withVhost());
  const client = await BroadcasterClient.subscribed(node, PATH, "c");
  const { result } = (await client.ask("subscribe", { channel: "other" })) as { result: { subscriptionId: string } };
  for (const [position, topic] of ["c", "$user.eve", `$connection.${result.subscriptionId}`, "other"].entries()) {
    await say(node, topic, "x");
    expect(await client.next()).toMatchObject({ seq: position + 1, channel: topic });
  }
});

test("B18: ends a connection when its token has expired, after the leeway", async () => {
  const node = await startNode(withVhost());
  const client = await BroadcasterClient.connect(node);
  const exp = Math.floor(Date.now() / 1_000) - 25;
  expect(await client.ask("auth", { token: await token({ exp }) })).toEqual({ result: { success: true } });
  expect(await client.ask("subscribe", { channel: "c" })).toMatchObject({ result: {} });
  expect(await client.closed).toEqual({ code: 4401, reason: "token expired: connect with a new one" });
  expect(Date.now()).toBeGreaterThanOrEqual((exp + 30) * 1_000);
});

test("B19: connects clients without a token even where the vhost demands one, and refuses everything before auth", async () => {
  const node = await startNode(withVhost({ anonymous: { connect: false }, jwt: { secret: "x".repeat(32) } }));
  const client = await BroadcasterClient.connect(node);
  const refused = { error: { code: "Unauthenticated", message: "authentication required" } };
  expect(await client.ask("subscribe", { channel: "c" })).toEqual(refused);
  expect(await client.ask("publish", { channel: "c", event: "e", payload: 1 })).toEqual(refused);
  expect(await client.ask("auth", { token: await token() })).toEqual({ result: { success: true } });
  expect(await client.ask("subscribe", { channel: "c" })).toMatchObject({ result: {} });
});

test("B15, D1: exchanges messages with its own clients and those of other protocols", async () => {
  const node = await startNode(withVhost({ client_publish: true }));
  const [one, two] = [
    await BroadcasterClient.subscribed(node, PATH, "c"),
    await BroadcasterClient.subscribed(node, PATH, "c"),
  ];
  const native = await connect(`${node.ws}/ws`);
  await native.join("c");
  one.tell("publish", { channel: "c", event: "e", payload: { a: 1 } });
  for (const client of [one, two]) {
    expect(await client.next()).toMatchObject({ seq: 1, channel: "c", event: "e", payload: { a: 1 } });
  }
  expect(await native.nextText()).toBe('{"topic":"c","payload":"{\\"a\\":1}"}');
  native.send({ command: "publish", topics: ["c"], payload: "hello" });
  for (const client of [one, two]) {
    expect(await client.next()).toMatchObject({ seq: 2, channel: "c", event: "", payload: "hello" });
  }
});
