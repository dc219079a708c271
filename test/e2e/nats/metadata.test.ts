import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { headers, type MsgHdrs } from "nats";
import { publish, say } from "../../support/backends/publish.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect } from "../../support/clients/native.js";
import { connectNats, listenTo } from "../../support/nats/client.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";

const BYTES = Buffer.from(Uint8Array.from({ length: 256 }, (_, value) => value));

async function setUp() {
  const server = await startNats();
  const node = await startNatsNode(server.url);
  const nats = await connectNats(server);
  return { server, node, nats };
}

function hdrs(lines: Record<string, string>): MsgHdrs {
  const result = headers();
  for (const [name, value] of Object.entries(lines)) result.append(name, value);
  return result;
}

test("N2: sends the unchanged payload, with id, event and time in headers, to a plain NATS subscriber", async () => {
  const { nats, node } = await setUp();
  const inbox = await listenTo(nats, "carillon._.foo");
  const before = Date.now();

  await publish(node, [{ topics: ["foo"], payload: "hällo", id: "id: 1 ä", event: "order.created" }]);

  const msg = await inbox.next();
  expect(msg.string()).toBe("hällo");
  expect(msg.headers?.keys().toSorted()).toEqual(["Carillon-Event", "Carillon-Time", "Nats-Msg-Id"]);
  expect(msg.headers?.get("Nats-Msg-Id")).toBe("id: 1 ä");
  expect(msg.headers?.get("Carillon-Event")).toBe("order.created");
  expect(msg.headers?.get("Carillon-Time")).toMatch(/^\d+$/);
  expect(Number(msg.headers?.get("Carillon-Time"))).toBeGreaterThanOrEqual(before);
  expect(Number(msg.headers?.get("Carillon-Time"))).toBeLessThanOrEqual(Date.now());
});

test("N2: sends no header without an event, and the id of the receipt", async () => {
  const { nats, node } = await setUp();
  const inbox = await listenTo(nats, "carillon._.>");

  const { receipts } = await publish(node, [{ topics: ["foo", "bar"], payload: "x" }]);

  for (const subject of ["carillon._.foo", "carillon._.bar"]) {
    const msg = await inbox.next();
    expect(msg.subject).toBe(subject);
    expect(msg.headers?.get("Nats-Msg-Id")).toBe(receipts?.[0]?.id);
    expect(msg.headers?.has("Carillon-Event")).toBe(false);
  }
});

test.each([
  ["empty", Buffer.alloc(0)],
  ["all 256 values", BYTES],
  ["512 KiB", randomBytes(512 * 1_024)],
])("N2: sends binary payloads unchanged to plain subscribers: %s", async (_name, payload) => {
  const { nats, node } = await setUp();
  const inbox = await listenTo(nats, "carillon._.foo");

  await publish(node, [{ topics: ["foo"], payload }]);

  expect(Buffer.from((await inbox.next()).data).equals(payload)).toBe(true);
});

test("N3: delivers a plain client's message without headers to WebSocket clients", async () => {
  const { nats, node } = await setUp();
  const client = await connect(`${node.ws}/ws`);
  const meta = [await connect(`${node.ws}/ws?meta=1`), await connect(`${node.ws}/ws?meta=1`)];
  for (const each of [client, ...meta]) await each.join("foo");
  const before = Date.now();

  nats.publish("carillon._.foo", "hello");
  nats.publish("carillon._.foo", BYTES);
  nats.publish("carillon._.foo");

  expect(await client.nextText()).toBe('{"topic":"foo","payload":"hello"}');
  expect(await client.nextText()).toBe(`{"topic":"foo","payload":"${BYTES.toString("base64")}","encoding":"base64"}`);
  expect(await client.nextText()).toBe('{"topic":"foo","payload":""}');
  const ids = new Set<unknown>();
  for (let count = 0; count < 3; count += 1) {
    const [one, other] = [await meta[0]?.next(), await meta[1]?.next()];
    expect(one).toEqual(other);
    expect(one).not.toHaveProperty("event");
    expect(one?.id).toMatch(/./);
    ids.add(one?.id);
    expect(Date.parse(one?.time ?? "")).toBeGreaterThanOrEqual(before);
    expect(Date.parse(one?.time ?? "")).toBeLessThanOrEqual(Date.now());
  }
  expect(ids.size).toBe(3);
});

test("N3: reads id, event and time from a plain client's headers", async () => {
  const { nats, node } = await setUp();
  const client = await connect(`${node.ws}/ws`);
  const meta = await connect(`${node.ws}/ws?meta=1`);
  await client.join("foo");
  await meta.join("foo");

  const lines = { "Nats-Msg-Id": "mine", "Carillon-Event": "tick", "Carillon-Time": "1700000000123", Other: "ignored" };
  nats.publish("carillon._.foo", "x", { headers: hdrs(lines) });

  expect(await client.nextText()).toBe('{"topic":"foo","payload":"x"}');
  expect(await meta.nextText()).toBe(
    '{"topic":"foo","payload":"x","id":"mine","event":"tick","time":"2023-11-14T22:13:20.123Z"}',
  );
});

test.each([
  "",
  "soon",
  "-1",
  "1e3",
  "0x10",
  "1.5",
  "Infinity",
  "253402300800000",
  "99999999999999999999",
  "2023-11-14T22:13:20Z",
])("N3: ignores an invalid Carillon-Time: %j", async (text) => {
  const { nats, node } = await setUp();
  const meta = await connect(`${node.ws}/ws?meta=1`);
  await meta.join("foo");
  const before = Date.now();

  nats.publish("carillon._.foo", "x", { headers: hdrs({ "Carillon-Time": text, "Nats-Msg-Id": "" }) });

  const { id, time } = await meta.next();
  expect(id).toMatch(/./);
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(Date.parse(time ?? "")).toBeGreaterThanOrEqual(before);
  expect(Date.parse(time ?? "")).toBeLessThanOrEqual(Date.now());
});

test("N3: delivers a message with invalid headers, also to clients with metadata", async () => {
  const { node, server } = await setUp();
  const meta = await connect(`${node.ws}/ws?meta=1`);
  const client = await connect(`${node.ws}/ws`);
  await meta.join("foo");
  await client.join("foo");
  const socket = connectSocket(server.port, "127.0.0.1");
  cleanUp(async () => {
    const closed = once(socket, "close");
    socket.destroy();
    await closed;
  });
  socket.resume();

  const bad = ["bad name: x", ": x", "no colon", "\u0000\u00ff: x", "Nats-Msg-Id : x"];
  let wire = 'CONNECT {"verbose":false,"headers":true}\r\n';
  for (const [position, line] of bad.entries()) {
    const header = `NATS/1.0\r\n${line}\r\n\r\n`;
    const size = Buffer.byteLength(header);
    wire += `HPUB carillon._.foo ${size} ${size + 1}\r\n${header}${position}\r\n`;
  }
  socket.write(wire);

  for (const position of bad.keys()) {
    expect(await client.nextText()).toBe(`{"topic":"foo","payload":"${position}"}`);
    expect(await meta.next()).toMatchObject({
      topic: "foo",
      payload: String(position),
      id: expect.stringMatching(/./),
    });
  }
});

test("N1: lets a plain client reach exactly the topics whose names NATS cannot contain", async () => {
  const { nats, node } = await setUp();
  const client = await connect(`${node.ws}/ws`);
  await client.join("a*", "a.", "ä>b");
  const inbox = await listenTo(nats, "carillon._.a%2A");

  nats.publish("carillon._.ab", "not delivered");
  nats.publish("carillon._.a", "not delivered");
  nats.publish("carillon.other.a%2A", "not delivered");
  nats.publish("carillon._.a%2A", "1");
  nats.publish("carillon._.a%2E", "2");
  nats.publish("carillon._.ä%3Eb", "3");
  const frames = [await client.next(), await client.next(), await client.next()];
  expect(frames.map(({ payload, topic }) => [topic, payload])).toEqual([
    ["a*", "1"],
    ["a.", "2"],
    ["ä>b", "3"],
  ]);
  // Follows once those have arrived, because a write sends the messages of one topic together.
  await say(node, "a*", "4");
  expect(await client.next()).toMatchObject({ topic: "a*", payload: "4" });
  expect((await inbox.next()).string()).toBe("1");
  expect((await inbox.next()).string()).toBe("4");
});
