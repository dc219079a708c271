import { connect as connectTcp } from "node:net";
import fc from "fast-check";
import { WebSocket } from "ws";
import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { TestBackend } from "../support/backends/backend.js";
import { publish } from "../support/backends/publish.js";
import {
  ACCESS_TOKEN,
  broadcasterToken,
  CHANNELS,
  openChannels,
  SPEAKERS,
  SPEAKING,
  type SpeakerClient,
} from "../support/clients/speakers.js";
import { metric } from "../support/nodes/metrics.js";
import { startNode, type TestNode } from "../support/nodes/node.js";

/** Commands of a dialect as text, mostly valid ones. */
interface Grammar {
  readonly name: string;
  readonly url: (node: TestNode) => Promise<string>;
  /** Texts that are sent first. */
  readonly begin: readonly string[];
  readonly commands: readonly object[];
  /** Prefix of a command on the wire. */
  readonly prefix: string;
}

const names = [
  ...CHANNELS,
  "a:b",
  "#x",
  "",
  "__proto__",
  "constructor",
  "x".repeat(300),
  "$user.ann",
  "private-x",
  "re:.*",
];

function forAll(make: (channel: string) => readonly object[]): object[] {
  return names.flatMap(make);
}

const SOCKET_IO = forAll((topic) => [
  ["join", { topics: [topic] }],
  ["leave", { topics: [topic] }],
  ["spectate", { guild_id: topic, include_logs: true }],
  ["request_elevation", { token: topic }],
  ["request_elevation", topic],
  ["pool_request", { _id: topic, token: topic }],
  [topic, topic],
]);

const GRAMMARS: readonly Grammar[] = [
  {
    name: "native",
    url: async ({ ws }) => `${ws}/ws?meta=1`,
    begin: [],
    prefix: "",
    commands: forAll((topic) => [
      { command: "join", topics: [topic], id: 1 },
      { command: "join", topics: [topic, "news"], group: "g", presence: true, hidden: true },
      { command: "leave", topics: [topic], id: "x" },
      { command: "publish", topics: [topic], payload: { at: "/" }, event: "e", trigger: topic },
      { command: "call", topics: [topic], payload: "1", timeout: 1 },
      { command: "presence", topics: [topic] },
      { command: "authenticate", payload: topic },
    ]),
  },
  {
    name: "broadcaster",
    url: async ({ ws }) => `${ws}/broadcaster/websocket`,
    begin: [JSON.stringify({ id: 1, method: "auth", params: { token: broadcasterToken() } })],
    prefix: "",
    commands: forAll((channel) => [
      { id: 1, method: "subscribe", params: { channel } },
      { id: 2, method: "unsubscribe", params: { channel } },
      { id: 3, method: "publish", params: { channel, event: "e", payload: { at: "/" } } },
      { id: 4, method: "heartbeat" },
      { id: 5, method: "auth", params: { token: channel } },
      { id: 6, method: channel },
    ]),
  },
  {
    name: "rootsocket",
    url: async ({ http, ws }) => {
      const answer = await fetch(`${http}/api/v1/connections/`, { method: "POST" });
      return `${ws}/api/v1/ws/${((await answer.json()) as { readonly token: string }).token}/`;
    },
    begin: [],
    prefix: "",
    commands: forAll((channel) => [
      { event: "subscription-add", data: { channel, auth: channel } },
      { event: "subscription-remove", data: { channel } },
      { event: channel, data: { raw: "/" } },
      { event: "ping" },
      { event: "pong" },
      { event: "error", data: { where: channel } },
      { event: "disconnect" },
    ]),
  },
  {
    name: "webrocket",
    url: async ({ ws }) => `${ws}/webrocket`,
    begin: [],
    prefix: "",
    commands: forAll((channel) => [
      { auth: { token: channel } },
      { subscribe: { channel, hidden: true, data: { channel } } },
      { unsubscribe: { channel, data: { uid: 1 } } },
      { broadcast: { channel, event: "e", data: { at: "/" }, trigger: channel } },
      { trigger: { event: channel, data: {} } },
      { pong: { sid: channel } },
      { close: { bye: channel } },
    ]),
  },
  {
    name: "socketio",
    url: async ({ ws }) => `${ws}/socket.io/?EIO=4&transport=websocket`,
    begin: ["40"],
    prefix: "42",
    commands: SOCKET_IO,
  },
  {
    name: "socketio (Engine.IO 3)",
    url: async ({ ws }) => `${ws}/socket.io/?EIO=3&transport=websocket`,
    begin: ["2"],
    prefix: "42",
    commands: SOCKET_IO,
  },
];

/** Valid, truncated and mangled commands, and arbitrary texts. */
function framesOf({ commands, prefix }: Grammar): fc.Arbitrary<string[]> {
  const good = fc.constantFrom(...commands).map((command) => prefix + JSON.stringify(command));
  const cut = fc.tuple(good, fc.nat()).map(([text, length]) => text.slice(0, length % text.length));
  const mangled = fc
    .tuple(good, fc.nat(), fc.string({ maxLength: 3 }))
    .map(([text, at, insert]) => text.slice(0, at % text.length) + insert + text.slice((at % text.length) + 1));
  const none = fc.oneof(fc.json(), fc.string({ unit: "binary" }), fc.constant("[".repeat(20_000)));
  const frame = fc.oneof(
    { arbitrary: good, weight: 6 },
    { arbitrary: cut, weight: 1 },
    { arbitrary: mangled, weight: 2 },
    { arbitrary: none, weight: 1 },
  );
  return fc.array(frame, { minLength: 1, maxLength: 30 });
}

/** Sends all texts at once, and closes the connection when they are answered, unless the server has closed it. */
async function play(url: string, frames: readonly string[]): Promise<void> {
  const webSocket = new WebSocket(url, { perMessageDeflate: false });
  const closed = new Promise((resolve) => {
    webSocket.once("close", resolve);
  });
  webSocket.on("error", () => {});
  await new Promise<void>((resolve) => {
    webSocket.once("open", resolve);
    webSocket.once("close", () => resolve());
  });
  for (const frame of frames) webSocket.send(frame);
  // A ping is answered after everything read before it.
  webSocket.once("pong", () => {
    webSocket.close();
  });
  webSocket.ping();
  await closed;
}

/** Clients of all dialects in another vhost, which must receive only that vhost's messages. */
async function witnesses(node: TestNode, vhost: string): Promise<SpeakerClient[]> {
  const clients: SpeakerClient[] = [];
  for (const speaker of SPEAKERS) {
    const client = await speaker.enter(node, vhost);
    for (const channel of CHANNELS) await client.subscribe(channel);
    clients.push(client);
  }
  return clients;
}

async function expectNothingHeard(node: TestNode, clients: readonly SpeakerClient[]): Promise<void> {
  const marker = { topics: ["news"], event: "marker", payload: '{"at":"/other"}' };
  const answer = await publish(node, [marker], "Publish", { "carillon-vhost": "/other" });
  expect(answer).toMatchObject({ ok: true });
  for (const { heard } of clients) {
    expect(JSON.stringify(await heard.next())).toContain("/other");
    expect(heard.unread).toEqual([]);
  }
}

/** Polls a condition; each check is a round trip. */
async function connectionsBecome(node: TestNode, count: number): Promise<void> {
  while ((await metric(node, "carillon_connections")) !== count);
}

test.each(GRAMMARS.map((grammar) => [grammar.name, grammar] as const))(
  "O8, A1: survives any frames of a %s client, keeps no session, and delivers nothing to another vhost",
  async (_name, grammar) => {
    const faults: unknown[] = [];
    const onFault = (fault: unknown): void => {
      faults.push(fault);
    };
    process.on("unhandledRejection", onFault).on("uncaughtException", onFault);
    const node = await startNode({ interest_linger: "0", vhosts: { "/": SPEAKING, "/other": SPEAKING } });
    for (const vhost of ["/", "/other"]) await openChannels(node, vhost);
    const others = await witnesses(node, "/other");
    const [connections, topics] = [await metric(node, "carillon_connections"), await metric(node, "carillon_topics")];
    await fc.assert(
      fc.asyncProperty(framesOf(grammar), async (frames) => {
        await play(await grammar.url(node), [...grammar.begin, ...frames]);
        await connectionsBecome(node, connections);
      }),
      { numRuns: 60 },
    );
    expect(await metric(node, "carillon_topics")).toBe(topics);
    expect(await new TestBackend(node).call(ControlService.method.listConnections, {})).toMatchObject({
      connections: [],
    });
    await expectNothingHeard(node, others);
    process.off("unhandledRejection", onFault).off("uncaughtException", onFault);
    expect(faults).toEqual([]);
  },
  120_000,
);

/** Packets of WebRocket's backends, mostly valid ones, for the vhost and for another. */
const lines = fc.oneof(
  {
    arbitrary: fc.constantFrom("BC", "OC", "CC", "AT", "RD", "HB", "QT", "TR", "", "news", "e", '{"at":"/"}', "["),
    weight: 8,
  },
  { arbitrary: fc.string({ unit: "binary" }), weight: 1 },
);
/** Marks a packet that begins with its command. */
const BARE = "bare";
const identities = fc.constantFrom(
  ...["req", "dlr"].flatMap((kind) => [
    `${kind}:/:${ACCESS_TOKEN}:7f9d5e1c-6a4b-4c3d-9e2f-1a2b3c4d5e6f`,
    `${kind}:/other:${"x".repeat(40)}:7f9d5e1c-6a4b-4c3d-9e2f-1a2b3c4d5e6f`,
  ]),
  "req:/",
  "",
  BARE,
);
const packets = fc
  .tuple(identities, fc.array(lines, { maxLength: 6 }), fc.constantFrom("\n", "\r\n", ""))
  .map(
    ([identity, rest, end]) => [...(identity === BARE ? [] : [identity, ""]), ...rest].join("\n") + `${end}\r\n\r\n`,
  );

/** Sends all packets and half-closes. Resolves with the answers when the server has closed too. */
async function tell(address: string, text: string): Promise<string> {
  const [host = "", port = ""] = address.split(":");
  const socket = connectTcp(Number(port), host);
  socket.end(text);
  let answer = "";
  try {
    for await (const chunk of socket) answer += String(chunk);
  } catch {
    // A reset also counts as an answer.
  }
  return answer;
}

test("O8, A1, X13: survives any packets of WebRocket's backends, and delivers nothing to another vhost", async () => {
  const node = await startNode({
    webrocket: { backend: "127.0.0.1:0" },
    vhosts: { "/": SPEAKING, "/other": { ...SPEAKING, webrocket: {} } },
  });
  const address = node.carillon.addresses?.webrocketBackend ?? "";
  for (const vhost of ["/", "/other"]) await openChannels(node, vhost);
  const others = await witnesses(node, "/other");
  await fc.assert(
    fc.asyncProperty(fc.array(packets, { minLength: 1, maxLength: 5 }), fc.nat(), async (texts, cut) => {
      const text = texts.join("");
      await tell(address, cut % 3 === 0 ? text.slice(0, cut % text.length) : text);
    }),
    { numRuns: 150 },
  );
  const good = `req:/:${ACCESS_TOKEN}:7f9d5e1c-6a4b-4c3d-9e2f-1a2b3c4d5e6f\n\nOC\nnews\n\r\n\r\n`;
  expect(await tell(address, good)).toMatch(/^OK/);
  await expectNothingHeard(node, others);
});
