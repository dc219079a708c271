import { connect } from "../support/clients/native.js";
import { ask, connectionToken, startApplication } from "../support/clients/rootsocket.js";
import { connectStock } from "../support/clients/socket-io.js";
import { startNode, type TestNode } from "../support/nodes/node.js";

/** The most that is read. */
const MOST = 131_072;
const REASON = "it has more than 131072 objects and lists";

const FLAT = `[${"[],".repeat(MOST)}{}]`;
const OPEN = "[".repeat(MOST + 1);

async function answerTo(node: TestNode, path: string, ...frames: string[]): Promise<string> {
  const client = await connect(`${node.ws}${path}`);
  if (path === "/webrocket") await client.nextText();
  for (const frame of frames) client.send(frame);
  return client.nextText();
}

describe.each([
  ["side by side", FLAT],
  ["nested and never closed", `{"payload":${OPEN}`],
])("D10: too many objects and lists, %s", (_how, text) => {
  test("D10, W7: the native dialect answers #error", async () => {
    expect(await answerTo(await startNode(), "/ws", text)).toBe(JSON.stringify({ topic: "#error", payload: [REASON] }));
  });

  test("D10, B5: Broadcaster answers InvalidArgument", async () => {
    const node = await startNode();
    expect(await answerTo(node, "/broadcaster/websocket", text)).toContain(`invalid request: ${REASON}`);
  });

  test("D10, S19: RootSocket answers an error", async () => {
    const node = await startApplication();
    const token = await connectionToken(node);
    expect(await answerTo(node, `/api/v1/ws/${token}/`, text)).toContain(`invalid event: ${REASON}`);
  });

  test("D10: a REST body is 400", async () => {
    const node = await startApplication();
    expect(await ask(node, "messages/", { body: text })).toMatchObject({
      status: 400,
      body: { detail: `the body cannot be read: ${REASON}` },
    });
  });
});

test("D10, X1: WebRocket answers 400 to an event that is good but for its size", async () => {
  expect(await answerTo(await startNode(), "/webrocket", `{"pong":{"data":${FLAT}}}`)).toContain('"code":400');
});

test("D10, I14: Socket.IO answers 400 to too many objects and lists, in JSON text within an event, too", async () => {
  const client = await connectStock((await startNode()).http);
  const nested = Array.from({ length: MOST }, () => []);
  expect(await client.ask("join", nested)).toMatchObject({ error: { code: 400, message: REASON } });
  const text = JSON.stringify({ topics: ["foo"], more: nested });
  expect(await client.ask("join", text)).toMatchObject({ error: { code: 400 } });
});

test("D10: as many as are allowed are read, and brackets in strings do not count", async () => {
  const node = await startNode({ vhosts: { "/": { anonymous: { permissions: { join: ["*"], publish: ["*"] } } } } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  // The frame and two of its members are objects and lists, too.
  const payload = [...Array.from({ length: MOST - 3 }, () => []), '\\"[{'.repeat(10_000)];
  client.send({ command: "publish", topics: ["foo"], payload });
  const { payload: received, topic } = await client.next();
  expect({ topic, isWhole: received === JSON.stringify(payload) }).toEqual({ topic: "foo", isWhole: true });
});
