import type { ConfigInput } from "../../../../src/index.js";
import { publish } from "../../../support/backends/publish.js";
import { connect } from "../../../support/clients/native.js";
import { connectStock, TRANSPORTS, VERSIONS } from "../../../support/clients/socket-io.js";
import { startNode, type TestNode } from "../../../support/nodes/node.js";
import { CONFIG, connectReturning, say, VHOST } from "./support.js";

const OFF: ConfigInput = { vhosts: { "/": { ...VHOST, socketio: { ...VHOST.socketio, recovery: false } } } };
const NO_HISTORY: ConfigInput = {
  vhosts: { "/": { socketio: { recovery: true } } },
};

/** Packets of a client that joins and leaves topics, with its ids and proofs replaced. */
async function packetsAt(config: ConfigInput, auth: string, topics: readonly string[], engine = 4): Promise<string[]> {
  const node = await startNode(config);
  const client = await connect(`${node.ws}/socket.io/?EIO=${engine}&transport=websocket`);
  const packets: string[] = [];
  const take = async (count: number): Promise<void> => {
    for (let taken = 0; taken < count; taken += 1) packets.push(hideSecrets(await client.nextText()));
  };
  await take(engine === 3 ? 2 : 1);
  if (engine === 4) {
    client.send(`40${auth}`);
    await take(1);
  }
  client.send(`421${JSON.stringify(["join", { topics }])}`);
  await untilAnswer(packets, take);
  await publishAll(node, topics[0] ?? "");
  client.send(`421${JSON.stringify(["leave", { topics }])}`);
  await untilAnswer(packets, take);
  return packets;
}

async function untilAnswer(packets: readonly string[], take: (count: number) => Promise<void>): Promise<void> {
  do await take(1);
  while (packets.at(-1)?.startsWith("431") !== true);
}

async function publishAll(node: TestNode, topic: string): Promise<void> {
  await publish(node, [
    { topics: [topic], payload: '{"a":1.0}', event: "created" },
    { topics: [topic], payload: '"text"' },
  ]);
}

function hideSecrets(packet: string): string {
  return packet
    .replace(/"sid":"[^"]+"/, '"sid":"SID"')
    .replace(/"pid":"[^"]+"/, '"pid":"PID"')
    .replace(
      /"[\w-]{16}((?:,\+?[^"=]+=[\w.-]+)+)"/,
      (_, parts: string) => `"OFFSET${parts.replaceAll(/=[\w.-]+/g, "=P")}"`,
    );
}

const OPEN = '0{"sid":"SID","upgrades":[],"pingInterval":3600000,"pingTimeout":8000,"maxPayload":1048576}';
const PLAIN = ['431[{"ok":true}]', '42["created",{"a":1.0}]', '42["message","text"]', '431[{"ok":true}]'];

describe("I22: clients that can recover", () => {
  test("adds an offset to messages while all topics have a history, and tells it before joins and leaves are answered", async () => {
    expect(await packetsAt(CONFIG, "", ["room.a", "room.b"])).toEqual([
      OPEN,
      '40{"sid":"SID","pid":"PID"}',
      '42["carillon.offset","OFFSET,room.a=P,room.b=P"]',
      '431[{"ok":true}]',
      '42["created",{"a":1.0},"OFFSET,room.a=P,room.b=P"]',
      '42["message","text","OFFSET,room.a=P,room.b=P"]',
      '42["carillon.offset",""]',
      '431[{"ok":true}]',
    ]);
  });

  test("sends the usual packets where a topic has no history", async () => {
    const expected = [OPEN, '40{"sid":"SID","pid":"PID"}', ...PLAIN];
    expect(await packetsAt(CONFIG, "", ["plain"])).toEqual(expected);
    expect(await packetsAt(CONFIG, "", ["room.a", "plain"])).toEqual(expected);
  });

  test.each([
    ["recovery is off", OFF, ""],
    ["recovery is off, and the client sends members of its own", OFF, '{"pid":"x","offset":"y"}'],
    ["the vhost has no history", NO_HISTORY, ""],
    ["the client declines", CONFIG, '{"recovery":false}'],
  ])("sends the usual packets where %s", async (_, config, auth) => {
    expect(await packetsAt(config, auth, ["room.a"])).toEqual([OPEN, '40{"sid":"SID"}', ...PLAIN]);
  });

  test("sends the usual packets with Engine.IO 3", async () => {
    const [on, off] = [await packetsAt(CONFIG, "", ["room.a"], 3), await packetsAt(OFF, "", ["room.a"], 3)];
    expect(on).toEqual(off);
    expect(on.slice(1)).toEqual(["40", ...PLAIN]);
  });

  test("recovers a client that asks for it where it is off, and refuses another value", async () => {
    const node = await startNode(OFF);
    const client = await connectReturning(node, { transports: ["websocket"], auth: { recovery: true } });
    await client.ask("join", { topics: ["room.a"] });
    await client.lose();
    await say(node, "room.a", 1);
    await client.comeBack();
    expect(client.recovered).toBe(true);
    expect(await client.messages(1)).toEqual([1]);
    await expect(connectStock(node.http, { auth: { recovery: "yes" } })).rejects.toMatchObject({
      data: { code: "invalid_argument" },
    });
  });

  test("sends the offset also where a join is not acknowledged, or made by a backend", async () => {
    const node = await startNode(CONFIG);
    const client = await connectReturning(node, { transports: ["websocket"] });
    client.emit("join", { topics: ["room.a"] });
    expect((await client.heard.next()).event).toBe("carillon.offset");
    client.emit("leave", { topics: ["room.a"] });
    expect(await client.heard.next()).toEqual({ event: "carillon.offset", value: "" });
  });

  test.each(VERSIONS.flatMap((version) => TRANSPORTS.map((transport) => [version, transport] as const)))(
    "delivers the same events to clients of all versions (%s, %s)",
    async (version, transport) => {
      const node = await startNode(CONFIG);
      const client = await connectStock(node.http, { version, transports: [transport], auth: { recovery: false } });
      await client.ask("join", { topics: ["room.a"] });
      await publishAll(node, "room.a");
      expect(await client.heard.next()).toEqual({ event: "created", value: { a: 1 } });
      expect(await client.heard.next()).toEqual({ event: "message", value: "text" });
    },
  );
});
