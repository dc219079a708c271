import fc from "fast-check";
import type { ConfigInput } from "../../src/index.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { broadcasterToken, openChannels, SPEAKING } from "../support/clients/speakers.js";
import { startNode, type TestNode } from "../support/nodes/node.js";

/** Publishes a value given as JSON text. Resolves when it has been sent. */
type Publish = (text: string) => Promise<void> | void;

/** Returns the JSON text of the payload in a frame, without the members that the dialect adds. */
type ReadValue = (frame: string) => string;

interface Listener {
  readonly client: TestClient;
  readonly read: ReadValue;
}

const CONFIG: ConfigInput = { vhosts: { "/": SPEAKING } };

const spaces = fc.constantFrom("", "", " ", "\n\t ");
const strings = fc.oneof(
  fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u00e9\\/"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\"}"', '"[\\\\"', '""', '"5"', '"\u2028"'),
);
const numbers = fc.oneof(
  fc.constantFrom("1.10", "1E5", "-0", "0e0", "1e-400", "1e999", "9007199254740993", "123456789012345678901234567890"),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
);
const names = fc.oneof(strings, fc.constantFrom('"a"', '"1"', '"0"', '"__proto__"', '"\\u0061"'));

/** Generates JSON text with variations of white space, digits, escapes, order and duplicates of members. */
const { value: texts } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, numbers, strings, fc.constantFrom("null", "true"), tie("list"), tie("object")),
  list: fc
    .tuple(spaces, fc.array(tie("value"), { maxLength: 4 }))
    .map(([space, items]) => `[${space}${items.join(`${space},${space}`)}${space}]`),
  object: fc.tuple(spaces, fc.array(fc.tuple(names, tie("value")), { maxLength: 4 })).map(([space, members]) => {
    const written = members.map(([name, value]) => `${space}${name}${space}:${space}${value}`);
    return `{${written.join(`${space},`)}${space}}`;
  }),
}));

async function ask(client: TestClient, frame: string): Promise<string> {
  client.send(frame);
  return nextMessage(client);
}

/** Returns the part of a frame between its expected start and end. */
function between(frame: string, begin: string, end: string): string {
  expect(frame.slice(0, begin.length)).toBe(begin);
  expect(frame.slice(frame.length - end.length)).toBe(end);
  return frame.slice(begin.length, frame.length - end.length);
}

async function native({ ws }: TestNode): Promise<Listener> {
  const client = await connect(`${ws}/ws`);
  await ask(client, '{"command":"join","topics":["news"]}');
  return { client, read: (frame) => (JSON.parse(frame) as { readonly payload: string }).payload };
}

async function broadcaster({ ws }: TestNode): Promise<Listener> {
  const client = await connect(`${ws}/broadcaster/websocket`);
  await ask(client, JSON.stringify({ id: 1, method: "auth", params: { token: broadcasterToken() } }));
  await ask(client, '{"id":2,"method":"subscribe","params":{"channel":"news"}}');
  return { client, read: (frame) => between(frame, "{", "}}").replace(/^.*?"event":"[^"]*","payload":/s, "") };
}

async function rootsocket({ http, ws }: TestNode): Promise<Listener> {
  const response = await fetch(`${http}/api/v1/connections/`, { method: "POST" });
  const { token } = (await response.json()) as { readonly token: string };
  const client = await connect(`${ws}/api/v1/ws/${token}/`);
  client.send('{"event":"subscription-add","data":{"channel":"news"}}');
  await ask(client, '{"event":"ping"}');
  return { client, read: (frame) => (JSON.parse(frame) as { readonly data: { readonly raw: string } }).data.raw };
}

async function webrocket({ ws }: TestNode): Promise<Listener> {
  const client = await connect(`${ws}/webrocket`);
  await client.nextText();
  await ask(client, '{"subscribe":{"channel":"news"}}');
  return { client, read: readWebrocket };
}

function readWebrocket(frame: string): string {
  const members = between(frame, "", '"channel":"news"}}').replace(/^\{"[^"]*":\{/, "");
  return members.replace(/("sid":"[^"]*",)?$/, "").replace(/,$/, "");
}

async function socketIo({ ws }: TestNode): Promise<Listener> {
  const client = await connect(`${ws}/socket.io/?EIO=4&transport=websocket`);
  await client.nextText();
  await ask(client, "40");
  expect(await ask(client, '420["join",{"topics":["news"]}]')).toBe('430[{"ok":true}]');
  return { client, read: (frame) => between(frame, "42[", "]").replace(/^"[^"]*",/, "") };
}

/** Pings that servers send at any time. */
const PINGS: ReadonlySet<string> = new Set(['{"event":"ping"}', '{":ping":{}}', "2"]);

async function nextMessage(client: TestClient): Promise<string> {
  for (;;) {
    const frame = await client.nextText();
    if (!PINGS.has(frame)) return frame;
    if (frame === "2") client.send("3");
  }
}

interface Listeners {
  readonly native: Listener;
  readonly broadcaster: Listener;
  readonly rootsocket: Listener;
  readonly webrocket: Listener;
  readonly socketio: Listener;
}

interface Stage {
  readonly listeners: Listeners;
  /** Resolves with the payload of the last publish as received, by dialect. */
  readonly heard: () => Promise<Readonly<Record<keyof Listeners, string>>>;
  readonly publishers: Readonly<Record<string, Publish>>;
}

async function start(): Promise<Stage> {
  const node = await startNode(CONFIG);
  await openChannels(node);
  const listeners: Listeners = {
    native: await native(node),
    broadcaster: await broadcaster(node),
    rootsocket: await rootsocket(node),
    webrocket: await webrocket(node),
    socketio: await socketIo(node),
  };
  const heard = async () => {
    const entries = Object.entries(listeners).map(async ([name, { client, read }]: [string, Listener]) => {
      return [name, read(await nextMessage(client))] as const;
    });
    return Object.fromEntries(await Promise.all(entries)) as Record<keyof Listeners, string>;
  };
  return { listeners, heard, publishers: await publishersOf(node) };
}

/** Creates publishers, each with a connection of its own that does not subscribe. */
async function publishersOf(node: TestNode): Promise<Readonly<Record<string, Publish>>> {
  const post = async (path: string, body: string, status: number): Promise<void> => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${node.http}${path}`, { method: "POST", headers, body });
    expect([response.status, await response.text()]).toEqual([status, expect.any(String)]);
  };
  const client = await connect(`${node.ws}/ws`);
  const caster = await connect(`${node.ws}/broadcaster/websocket`);
  await ask(caster, JSON.stringify({ id: 1, method: "auth", params: { token: broadcasterToken() } }));
  return {
    native: async (text) => {
      const answer = await ask(client, `{"payload" : ${text} ,"command":"publish","topics":["news"],"event":"e"}`);
      expect(answer).toBe('{"topic":"@publish","payload":["news"]}');
    },
    broadcaster: async (text) => {
      const params = `{"payload" : ${text} ,"channel":"news","event":"e"}`;
      const answer = await ask(caster, `{"id":2,"method":"publish","params":${params}}`);
      expect(answer).toContain('{"requestId":2,"result":');
    },
    "broadcaster's REST": (text) => post("/broadcaster/publish", `{"payload" : ${text} ,"channel":"news"}`, 200),
    "rootsocket's REST": (text) => post("/api/v1/messages/", `{"data" : ${text} ,"channel":"news"}`, 201),
    "RPC as JSON": (text) =>
      post("/websockets.v1.BroadcastService/Publish", `{"messages":[{"json" : ${text} ,"topics":["news"]}]}`, 200),
  };
}

function isObjectText(text: string): boolean {
  return text.startsWith("{");
}

/** Returns a value as it is in a WebRocket frame: the members of an object, or the member `data`. */
function webrocketMembers(text: string): string {
  return isObjectText(text) ? text.slice(1, -1).trim() : `"data":${text}`;
}

test("D3, O13: delivers a JSON value as the text that was sent, however it is published", async () => {
  const { heard, publishers } = await start();
  const values = texts.filter((text) => !text.startsWith('"'));
  await fc.assert(
    fc.asyncProperty(values, fc.constantFrom(...Object.keys(publishers)), async (text, name) => {
      // In the native dialect, a payload of null is an absent one (D9).
      const by = name === "native" && text === "null" ? "broadcaster" : name;
      await publishers[by]?.(text);
      const { webrocket: members, ...payloads } = await heard();
      expect(payloads).toEqual({ native: text, broadcaster: text, rootsocket: text, socketio: text });
      expect(members).toBe(webrocketMembers(text));
    }),
    { numRuns: 150 },
  );
});

test("D3, O13: delivers WebRocket's objects and RootSocket's texts unchanged", async () => {
  const { heard, listeners } = await start();
  await fc.assert(
    fc.asyncProperty(texts.filter(isObjectText), async (text) => {
      listeners.webrocket.client.send(`{"broadcast":{"data" : ${text} ,"channel":"news","event":"e"}}`);
      const { webrocket: members, ...payloads } = await heard();
      expect(payloads).toEqual({ native: text, broadcaster: text, rootsocket: text, socketio: text });
      expect(members).toBe(webrocketMembers(text));

      listeners.rootsocket.client.send(JSON.stringify({ event: "news", data: { raw: text } }));
      expect((await heard()).native).toBe(text);
    }),
    { numRuns: 50 },
  );
});

test("D3, O13: refuses half of a surrogate pair or delivers it as written, and never replaces it", async () => {
  const { heard, listeners, publishers } = await start();
  for (const name of ["broadcaster", "broadcaster's REST", "RPC as JSON"]) {
    await publishers[name]?.('"a\\uD800"');
    expect(await heard()).toEqual({
      native: '"a\\uD800"',
      broadcaster: '"a\\uD800"',
      rootsocket: '"a\\uD800"',
      webrocket: '"data":"a\\uD800"',
      socketio: '"a\\uD800"',
    });
  }
  const { native: plain, rootsocket: root } = listeners;
  const refused = await ask(plain.client, '{"command":"publish","topics":["news"],"payload":"a\\uD800"}');
  expect(refused).toBe('{"topic":"#publish","payload":["news"]}');
  expect(await ask(root.client, '{"event":"news","data":{"raw":"a\\uD800"}}')).toBe(
    '{"event":"error","data":{"detail":"cannot send: data.raw is not valid Unicode","where":"news"}}',
  );
});
