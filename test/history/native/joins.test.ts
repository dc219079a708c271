import { HistoryService } from "../../../gen/carillon/v1/history_pb.js";
import { callersOf } from "../../support/backends/mounts.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";
import { nextTexts, positionOf, ROOMS, store, storeAll } from "./support.js";

const vhosts = { "/": ROOMS };

function message(topic: string, payload: string): string {
  return JSON.stringify({ topic, payload });
}

test("W24, H2: recovers on a new connection what was published since the old one was lost, then goes on live", async () => {
  const node = await startNode({ vhosts });
  const client = await connect(`${node.ws}/ws`);
  client.send({ command: "join", topics: ["room"], recover: {}, id: 1 });
  const empty = await positionOf(node, "room");
  expect(await client.nextText()).toBe(`{"topic":"@join","payload":["room"],"id":1,"positions":{"room":"${empty}"}}`);
  const first = await store(node, "room", "one");
  expect(await client.nextText()).toBe(message("room", "one"));
  client.webSocket.terminate();
  await client.closed;
  await storeAll(node, "room", ["two", "three"]);

  const again = await connect(`${node.ws}/ws`);
  again.send(`{"command":"join","topics":["room"],"id":"ä","recover":{"room":"${first}"}}`);
  const last = await positionOf(node, "room");
  expect(await nextTexts(again, 3)).toEqual([
    `{"topic":"@join","payload":["room"],"id":"ä","positions":{"room":"${last}"},"recovered":{"room":true}}`,
    message("room", "two"),
    message("room", "three"),
  ]);
  await store(node, "room", "four");
  expect(await again.nextText()).toBe(message("room", "four"));

  const fromEmpty = await connect(`${node.ws}/ws`);
  await fromEmpty.ask({ command: "join", topics: ["room"], recover: { room: empty } });
  expect(await nextTexts(fromEmpty, 4)).toEqual(["one", "two", "three", "four"].map((text) => message("room", text)));
});

test("W24: tells for each topic of a join whether it was recovered, and sends the missed messages topic by topic", async () => {
  const node = await startNode({
    vhosts: {
      "/": {
        history: { chat: {}, last: { messages: 1 } },
        topics: [
          { match: "room.*", history: "chat" },
          { match: "last.*", history: "last" },
        ],
      },
    },
  });
  const rooms = [await positionOf(node, "room.1"), await positionOf(node, "room.2")];
  const last = await positionOf(node, "last.1");
  const [, second] = await storeAll(node, "room.2", ["b1", "b2"]);
  const [first] = await storeAll(node, "room.1", ["a1"]);
  const [, , third] = await storeAll(node, "last.1", ["c1", "c2", "c3"]);
  const topics = ["room.1", "plain", "last.1", "room.2"];
  const recover = { "room.1": rooms[0], "room.2": rooms[1], "last.1": last, plain: first };

  const client = await connect(`${node.ws}/ws`);
  client.send({ command: "join", topics, recover, history: 5, id: 1 });

  const positions = { "room.1": first, "last.1": third, "room.2": second };
  const recovered = { "room.1": true, "last.1": false, "room.2": true, plain: false };
  const reasons = { "last.1": "expired", plain: "unknown_position" };
  expect(await client.nextText()).toBe(
    JSON.stringify({ topic: "@join", payload: topics, id: 1, positions, recovered, reasons }),
  );
  expect(await nextTexts(client, 3)).toEqual([
    message("room.1", "a1"),
    message("room.2", "b1"),
    message("room.2", "b2"),
  ]);
  await store(node, "last.1", "c4");
  expect(await client.nextText()).toBe(message("last.1", "c4"));
});

test("W25: rewinds the topics that a join does not recover", async () => {
  const node = await startNode({ vhosts });
  const [first] = await storeAll(node, "room.1", ["a1", "a2"]);
  const [, , last] = await storeAll(node, "room.2", ["b1", "b2", "b3"]);
  const newest = await positionOf(node, "room.1");
  const client = await connect(`${node.ws}/ws`);

  client.send({ command: "join", topics: ["room.1", "room.2"], recover: { "room.1": first }, history: 2, id: 1 });

  expect(await nextTexts(client, 4)).toEqual([
    `{"topic":"@join","payload":["room.1","room.2"],"id":1,"positions":{"room.1":"${newest}","room.2":"${last}"},"recovered":{"room.1":true}}`,
    message("room.1", "a2"),
    message("room.2", "b2"),
    message("room.2", "b3"),
  ]);
});

test("W10, W24: sends replayed messages with the same bytes as live ones, with metadata or without", async () => {
  const node = await startNode({ vhosts });
  const paths = ["/ws", "/ws?meta=1"];
  const start = await positionOf(node, "room");
  const live = await Promise.all(paths.map((path) => connect(node.ws + path)));
  for (const client of live) await client.join("room");
  const payloads = [
    "text",
    "",
    'quotes " and \\',
    "\u2028 ä 💥",
    "\u0000",
    Buffer.from([0xff, 0x00]),
    "x".repeat(70_000),
  ];
  for (const [index, payload] of payloads.entries()) await store(node, "room", payload, `m-${index}`);

  for (const [index, path] of paths.entries()) {
    const client = await connect(node.ws + path);
    await client.ask({ command: "join", topics: ["room"], recover: { room: start } });
    const replayed = await nextTexts(client, payloads.length);
    expect(replayed).toEqual(await nextTexts(live[index] ?? client, payloads.length));
    expect(replayed[0]).toMatch(
      index === 0
        ? /^\{"topic":"room","payload":"text"\}$/
        : /^\{"topic":"room","payload":"text","id":"m-0","time":"[^"]+","position":"[^"]+"\}$/,
    );
  }
});

test("W10: gives every message, receipt, page and later join of a topic the same position", async () => {
  const node = await startNode({ vhosts });
  const client = await connect(`${node.ws}/ws?meta=1`);
  await client.join("room");
  const position = await store(node, "room", "one");

  expect(await client.next()).toMatchObject({ position });
  expect(await client.ask({ command: "history", topics: ["room"] })).toMatchObject({
    payload: { messages: [{ position }] },
  });
  expect(await positionOf(node, "room")).toBe(position);
  const other = await connect(`${node.ws}/ws?meta=1`);
  expect(await other.ask({ command: "join", topics: ["room"] })).toMatchObject({ positions: { room: position } });
});

test("W2, H7: sends a client that asks for nothing the same bytes whether or not its topics have history", async () => {
  const node = await startNode({ vhosts });
  const exchange = async (topic: string): Promise<string[]> => {
    const client = await connect(`${node.ws}/ws`);
    await store(node, topic, "before");
    client.send({ command: "join", topics: [topic], id: 1 });
    client.send({ command: "join", topics: [topic] });
    client.send({ command: "presence", topics: [topic], id: 2 });
    const texts = await nextTexts(client, 3);
    await storeAll(node, topic, ["one", "two"]);
    texts.push(...(await nextTexts(client, 2)));
    client.send({ command: "leave", topics: [topic], id: 3 });
    texts.push(await client.nextText());
    await store(node, topic, "after");
    client.send({ command: "join", topics: [topic], group: "g", id: 4 });
    client.send({ command: "ping", id: 5 });
    texts.push(...(await nextTexts(client, 2)));
    return texts.map((text) => text.replaceAll(topic, "TOPIC"));
  };

  const plain = await exchange("hall");
  expect(await exchange("room")).toEqual(plain);
  expect(plain.slice(3, 5)).toEqual([message("TOPIC", "one"), message("TOPIC", "two")]);
});

test("W24: answers a join of a group with the left topics before the positions", async () => {
  const node = await startNode({ vhosts });
  const start = await positionOf(node, "room.2");
  const last = await store(node, "room.2", "one");
  const client = await connect(`${node.ws}/ws`);
  await client.ask({ command: "join", topics: ["room.1"], group: "g", id: 1 });

  client.send({ command: "join", topics: ["room.2"], group: "g", recover: { "room.2": start }, id: 2 });

  expect(await nextTexts(client, 2)).toEqual([
    `{"topic":"@join","payload":["room.2"],"id":2,"left":["room.1"],"positions":{"room.2":"${last}"},"recovered":{"room.2":true}}`,
    message("room.2", "one"),
  ]);
});

test("W24, H3: does not recover more messages or bytes than the node's limits", async () => {
  const node = await startNode({ vhosts, limits: { replay_messages: 3, replay_bytes: "1KiB" } });
  const [start, large] = [await positionOf(node, "room.1"), await positionOf(node, "room.2")];
  const [first] = await storeAll(node, "room.1", ["1", "2", "3", "4"]);
  await storeAll(node, "room.2", ["x".repeat(1_000), "x".repeat(100)]);
  const recover = async (topic: string, position: string | undefined) => {
    const client = await connect(`${node.ws}/ws`);
    const answer = await client.ask({ command: "join", topics: [topic], recover: { [topic]: position } });
    await store(node, topic, "live");
    return { answer, next: await client.next() };
  };

  for (const [topic, position] of [
    ["room.1", start],
    ["room.2", large],
  ] as const) {
    const { answer, next } = await recover(topic, position);
    expect(answer).toMatchObject({ recovered: { [topic]: false }, reasons: { [topic]: "too_many" } });
    expect(next.payload).toBe("live");
  }
  const within = await storeAll(node, "room.1", ["6", "7"]);
  expect((await recover("room.1", first)).answer).toMatchObject({ reasons: { "room.1": "too_many" } });
  expect((await recover("room.1", within[0])).next.payload).toBe("7");
});

test("H5: sends a message once when its publisher repeats it, to live clients and to those that recover", async () => {
  const node = await startNode({ vhosts });
  const start = await positionOf(node, "room");
  const client = await connect(`${node.ws}/ws`);
  await client.join("room");
  const position = await store(node, "room", "one", "m-1");
  for (let count = 0; count < 3; count += 1) expect(await store(node, "room", "one", "m-1")).toBe(position);
  await store(node, "room", "two", "m-2");

  const later = await connect(`${node.ws}/ws`);
  await later.ask({ command: "join", topics: ["room"], recover: { room: start } });
  for (const each of [client, later])
    expect(await nextTexts(each, 2)).toEqual([message("room", "one"), message("room", "two")]);
  await store(node, "room", "three");
  for (const each of [client, later]) expect(await each.nextText()).toBe(message("room", "three"));
});

test("H3, H10: tells a client that its position has expired when a backend has purged the topic", async () => {
  const node = await startNode({ vhosts });
  const empty = await positionOf(node, "room.empty");
  const [, last] = await storeAll(node, "room", ["1", "2"]);
  const [caller] = callersOf(node);
  for (const topic of ["room", "room.empty"]) {
    const { status } = (await caller?.call(HistoryService.method.purgeHistory, { topic })) ?? {};
    expect(status).toBe(0);
  }
  const client = await connect(`${node.ws}/ws`);

  const answer = await client.ask({
    command: "join",
    topics: ["room", "room.empty"],
    recover: { room: last, "room.empty": empty },
  });

  expect(answer).toMatchObject({
    recovered: { room: false, "room.empty": false },
    reasons: { room: "expired", "room.empty": "expired" },
  });
  await store(node, "room", "3");
  expect(await client.nextText()).toBe(message("room", "3"));
});

test("H3: does not recognize the position of another vhost, topic or node", async () => {
  const node = await startNode({ vhosts: { "/": ROOMS, "/b": ROOMS } });
  const other = await startNode({ vhosts });
  const strangers = [
    await positionOf(node, "room.1", "/ws/b"),
    await positionOf(node, "room.2"),
    await positionOf(other, "room.1"),
    await store(other, "room.1", "one"),
    "x",
    "x".repeat(64),
  ];
  await store(node, "room.1", "one");

  for (const position of strangers) {
    expect(position).not.toBe("");
    const client = await connect(`${node.ws}/ws`);
    const answer = await client.ask({ command: "join", topics: ["room.1"], recover: { "room.1": position } });
    expect(answer).toMatchObject({ recovered: { "room.1": false }, reasons: { "room.1": "unknown_position" } });
  }
});
