import { ControlService } from "../../../../gen/carillon/v1/control_pb.js";
import { PresenceService } from "../../../../gen/carillon/v1/presence_pb.js";
import { TestBackend } from "../../../support/backends/backend.js";
import { publish } from "../../../support/backends/publish.js";
import { TRANSPORTS } from "../../../support/clients/socket-io.js";
import { startNode } from "../../../support/nodes/node.js";
import { tokenFor } from "../support.js";
import { CONFIG, connectReturning, say, VHOST } from "./support.js";

describe.each(TRANSPORTS)("over %s", (transport) => {
  const options = { transports: [transport] };

  test("I20: recovers the session of a client that comes back: its id, its topics, and each missed message once", async () => {
    const node = await startNode(CONFIG);
    const client = await connectReturning(node, options);
    expect(await client.ask("join", { topics: ["room.a", "room.b"] })).toEqual({ ok: true });
    const { id } = client;
    await say(node, "room.a", 1);
    expect(await client.messages(1)).toEqual([1]);
    await client.lose();
    await say(node, "room.a", 2, 3);
    await say(node, "room.b", 4);
    await client.comeBack();
    expect([client.recovered, client.id]).toEqual([true, id]);
    await say(node, "room.a", 5);
    await say(node, "room.b", 6);
    const messages = (await client.messages(5)) as number[];
    expect(messages.filter((message) => [2, 3, 5].includes(message))).toEqual([2, 3, 5]);
    expect(messages.filter((message) => [4, 6].includes(message))).toEqual([4, 6]);
    await client.lose();
    await say(node, "room.b", 7);
    await client.comeBack();
    expect([client.recovered, client.id]).toEqual([true, id]);
    expect(await client.messages(1)).toEqual([7]);
  });

  test("I20: delivers every message once and in order, whenever the connection is cut", async () => {
    const node = await startNode(CONFIG);
    const client = await connectReturning(node, options);
    const topics = ["room.a", "room.b", "room.c"];
    await client.ask("join", { topics });
    const { id } = client;
    const received: unknown[] = [];
    let last = 0;
    for (let round = 0; round < 8; round += 1) {
      const messages = Array.from({ length: 12 }, () => {
        last += 1;
        const topic = topics[last % topics.length] ?? "";
        return { topics: [topic], payload: JSON.stringify([topic, last]) };
      });
      // The connection is cut while these are on their way.
      const published = publish(node, messages);
      received.push(await client.nextMessage());
      await client.lose();
      await published;
      await client.comeBack();
      expect([client.recovered, client.id]).toEqual([true, id]);
      received.push(...(await client.messages(last - received.length)));
    }
    const all = Array.from({ length: last }, (_, place) => place + 1);
    for (const [place, topic] of topics.entries()) {
      const own = (received as [string, number][]).filter(([name]) => name === topic).map(([, number]) => number);
      expect(own).toEqual(all.filter((number) => number % topics.length === place));
    }
  });
});

test("I20: recovers values of all kinds, and the direct messages of a session do not change its offset", async () => {
  const node = await startNode(CONFIG);
  const client = await connectReturning(node, { transports: ["websocket"] });
  await client.ask("join", { topics: ["room.a"] });
  const bytes = Buffer.from([255, 0, 1]);
  await publish(node, [{ topics: [`$connection.${client.id}`], payload: '"direct"' }]);
  expect(await client.messages(1)).toEqual(["direct"]);
  await client.lose();
  await publish(node, [
    { topics: ["room.a"], payload: '"text é"', event: "said" },
    { topics: ["room.a"], payload: bytes, event: "bytes" },
    { topics: ["room.a"], payload: '{"a":[1.0]}' },
  ]);
  await client.comeBack();
  expect(client.recovered).toBe(true);
  const [text, binary, object] = await client.messages(3);
  expect([text, object]).toEqual(["text é", { a: [1] }]);
  expect(Buffer.from(binary as Buffer)).toEqual(bytes);
  await client.lose();
  await client.comeBack();
  expect(client.recovered).toBe(true);
  await say(node, "room.a", "last");
  expect(await client.messages(1)).toEqual(["last"]);
});

test("I20: keeps what the client has joined and left, and the topics that it spectates", async () => {
  const node = await startNode(CONFIG);
  const auth = { token: await tokenFor("eve") };
  const client = await connectReturning(node, { transports: ["websocket"], auth });
  await client.ask("join", { topics: ["room.a", "room.b"] });
  await client.ask("spectate", { guild_id: "1" });
  await client.ask("leave", { topics: ["room.b"] });
  await client.lose();
  await say(node, "room.b", "left");
  await say(node, "room.1", "spectated");
  await client.comeBack();
  expect(client.recovered).toBe(true);
  expect(await client.messages(1)).toEqual(["spectated"]);
  expect(await client.ask("spectate", { guild_id: "2" })).toEqual({ ok: true });
  await say(node, "room.1", "not any more");
  await say(node, "room.a", "a");
  await say(node, "room.2", "2");
  expect(await client.messages(2)).toEqual(["a", "2"]);
});

test("I20: recovers many topics", async () => {
  const node = await startNode(CONFIG);
  const client = await connectReturning(node, { transports: ["polling"] });
  const topics = Array.from({ length: 40 }, (_, place) => `room.ö ${place}`.replace(" ", "-"));
  await client.ask("join", { topics });
  await client.lose();
  for (const [place, topic] of topics.entries()) await say(node, topic, place, place);
  await client.comeBack();
  expect(client.recovered).toBe(true);
  const messages = (await client.messages(80)) as number[];
  expect(messages.toSorted((a, b) => a - b)).toEqual(topics.flatMap((_, place) => [place, place]));
});

test.each([CONFIG, { ...CONFIG, vhosts: { "/shop": VHOST } }])(
  "I23: ends the earlier connection, which the node has not noticed to be lost",
  async (config) => {
    const node = await startNode(config);
    const path = Object.keys(config.vhosts ?? {})[0] ?? "/";
    const client = await connectReturning(node, { transports: ["websocket"] }, path);
    await client.ask("join", { topics: ["present.a"] });
    const { id } = client;
    client.proxy.mute();
    client.socket.io.engine.close();
    await client.ended.next();
    await say(node, "present.a", 1);
    await client.comeBack();
    expect([client.recovered, client.id]).toEqual([true, id]);
    if (path !== "/") return;
    expect(await client.messages(1)).toEqual([1]);
    const backend = new TestBackend(node);
    const { connections } = await backend.call(ControlService.method.listConnections, {});
    expect(connections.map((connection) => connection.id)).toEqual([id]);
    const { members } = await backend.call(PresenceService.method.getPresence, { topic: "present.a" });
    expect(members.map(({ connectionId }) => connectionId)).toEqual([id]);
    await say(node, "present.a", 2);
    expect(await client.messages(1)).toEqual([2]);
  },
);
