import { connect } from "../support/clients/native.js";
import { ask, connectionToken, startApplication } from "../support/clients/rootsocket.js";
import { connectStock } from "../support/clients/socket-io.js";
import { startNode, type TestNode } from "../support/nodes/node.js";

/** Largest allowed number of objects and lists. */
const MOST = 131_072;
const TOO_MANY = "more than 131072 objects and lists";
const TOO_HEAVY = "too many values or distinct names: weight above 400000";

const FLAT = `[${"[],".repeat(MOST)}{}]`;
const OPEN = "[".repeat(MOST + 1);

async function answerTo(node: TestNode, path: string, ...frames: string[]): Promise<string> {
  const client = await connect(`${node.ws}${path}`);
  if (path === "/webrocket") await client.nextText();
  for (const frame of frames) client.send(frame);
  return client.nextText();
}

/** More different names than allowed. */
const NAMED = JSON.stringify(Array.from({ length: 25_000 }, (_, number) => ({ [`name-${number}`]: 1 })));
/** The same names in different orders, each of which adds a shape of its own in V8. */
const ORDERS = JSON.stringify(
  Array.from({ length: 6_000 }, (_, number) =>
    Object.fromEntries(Array.from({ length: 8 }, (_each, position) => [`m${(number * (position + 1)) % 7919}`, 1])),
  ),
);
const MEMBERS = JSON.stringify(
  Object.fromEntries(Array.from({ length: 25_000 }, (_, number) => [`name-${number}`, 1])),
);
const TEXTS = JSON.stringify(Array.from({ length: 90_000 }, (_, number) => number.toString(36)));
const NUMBERS = `[${"1,".repeat(400_001)}1]`;

describe.each([
  ["too many objects and lists, side by side", FLAT, TOO_MANY],
  ["too many objects and lists, nested and never closed", `{"payload":${OPEN}`, TOO_MANY],
  ["objects with other names each", NAMED, TOO_HEAVY],
  ["objects with other orders of names each", ORDERS, TOO_HEAVY],
  ["an object of too many names", MEMBERS, TOO_HEAVY],
  ["too many short texts", TEXTS, TOO_HEAVY],
  ["too many numbers", NUMBERS, TOO_HEAVY],
])("D10: %s", (_how, text, reason) => {
  test("D10, W7: answers #error in the native dialect", async () => {
    expect(await answerTo(await startNode(), "/ws", text)).toBe(JSON.stringify({ topic: "#error", payload: [reason] }));
  });

  test("D10, B5: answers InvalidArgument in Broadcaster", async () => {
    const node = await startNode();
    expect(await answerTo(node, "/broadcaster/websocket", text)).toContain(`invalid request: ${reason}`);
  });

  test("D10, S19: answers an error in RootSocket", async () => {
    const node = await startApplication();
    const token = await connectionToken(node);
    expect(await answerTo(node, `/api/v1/ws/${token}/`, text)).toContain(`invalid event: ${reason}`);
  });

  test("D10: answers 400 to a REST body", async () => {
    const node = await startApplication();
    expect(await ask(node, "messages/", { body: text })).toMatchObject({
      status: 400,
      body: { detail: `the body cannot be read: ${reason}` },
    });
  });
});

test("D10, X1: answers 400 to an otherwise valid event in WebRocket", async () => {
  expect(await answerTo(await startNode(), "/webrocket", `{"pong":{"data":${FLAT}}}`)).toContain('"code":400');
});

test("D10, I14: answers 400 to too many objects and lists in Socket.IO, also in JSON text within an event", async () => {
  const client = await connectStock((await startNode()).http);
  const nested = Array.from({ length: MOST }, () => []);
  expect(await client.ask("join", nested)).toMatchObject({ error: { code: 400, message: TOO_MANY } });
  const text = JSON.stringify({ topics: ["foo"], more: nested });
  expect(await client.ask("join", text)).toMatchObject({ error: { code: 400 } });
});

/** Publishes the payload as a client, and expects it to be delivered unchanged. */
async function expectDelivered(payload: unknown): Promise<void> {
  const node = await startNode({ vhosts: { "/": { client_publish: true } } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  client.send({ command: "publish", topics: ["foo"], payload });
  const { payload: received, topic } = await client.next();
  expect({ topic, isWhole: received === JSON.stringify(payload) }).toEqual({ topic: "foo", isWhole: true });
}

test("D10: reads the allowed number, and does not count brackets in strings", async () => {
  // The frame itself and two of its members are objects and lists.
  const payload = [...Array.from({ length: MOST - 3 }, () => []), '\\"[{'.repeat(10_000)];
  await expectDelivered(payload);
});

test("D10: gives little weight to repeated names and texts", async () => {
  const payload = Array.from({ length: 12_000 }, () => ({
    id: 1,
    at: { x: 0, y: 0 },
    state: "on",
    note: '{"a":1},{"b":2}',
  }));
  await expectDelivered(payload);
});

test("D10, D3: writes a payload of too many names as a string in dialects of JSON values", async () => {
  const node = await startNode({ vhosts: { "/": { client_publish: true } } });
  const listener = await connectStock(node.http);
  expect(await listener.ask("join", { topics: ["foo"] })).toEqual({ ok: true });
  const client = await connect(`${node.ws}/ws`);
  client.send({ command: "publish", topics: ["foo"], payload: NAMED });
  expect((await listener.heard.next()).value === NAMED).toBe(true);
});
