import { connect as connectTcp } from "node:net";
import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { TestBackend } from "../support/backends/backend.js";
import { publish } from "../support/backends/publish.js";
import { connect, refusedUpgrade, type TestClient } from "../support/clients/native.js";
import {
  ACCESS_TOKEN,
  type Heard,
  openChannels,
  SPEAKERS,
  SPEAKING,
  type SpeakerClient,
} from "../support/clients/speakers.js";
import { connectNats, listenTo } from "../support/nats/client.js";
import { startNats } from "../support/nats/server.js";
import { startNode, type TestNode } from "../support/nodes/node.js";

const VALUE = { a: 1, b: ["x", null] };
const TEXT = JSON.stringify(VALUE);

interface Stage {
  /** Topic that messages are published on. */
  readonly node: TestNode;
  /** Address of WebRocket's backends. */
  readonly backend: string;
  readonly speakers: ReadonlyMap<string, SpeakerClient>;
}

/** Every way to publish, with the event that its protocol gives a message. */
const WAYS: readonly { readonly name: string; readonly event: string; readonly publish: (stage: Stage) => unknown }[] =
  [
    {
      name: "RPC",
      event: "e",
      publish: ({ node }) => publish(node, [{ topics: ["news"], event: "e", payload: TEXT }]),
    },
    ...["native", "broadcaster", "webrocket"].map((name) => ({
      name: `a ${name} client`,
      event: "e",
      publish: ({ speakers }: Stage) => speakers.get(name)?.publish?.("news", "e", VALUE),
    })),
    {
      name: "a rootsocket client",
      event: "",
      publish: ({ speakers }) => speakers.get("rootsocket")?.publish?.("news", "", VALUE),
    },
    {
      name: "Broadcaster's REST",
      event: "e",
      publish: ({ node }) => post(`${node.http}/broadcaster/publish`, { channel: "news", event: "e", payload: VALUE }),
    },
    {
      name: "RootSocket's REST",
      event: "",
      publish: ({ node }) => post(`${node.http}/api/v1/messages/`, { channel: "news", data: VALUE }),
    },
    {
      name: "a WebRocket backend",
      event: "e",
      publish: ({ backend }) => webrocketPublish(backend),
    },
  ];

async function post(url: string, body: object): Promise<void> {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`not published: ${await answer.text()}`);
}

async function webrocketPublish(address: string): Promise<void> {
  const [host = "", port = ""] = address.split(":");
  const socket = connectTcp(Number(port), host);
  const identity = `req:/:${ACCESS_TOKEN}:7f9d5e1c-6a4b-4c3d-9e2f-1a2b3c4d5e6f`;
  socket.write(`${identity}\n\nBC\nnews\ne\n${TEXT}\n\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  if (!answer.startsWith("OK")) throw new Error(`not published: ${answer}`);
}

/** Frame that clients of a dialect receive (D1 to D4). */
function expected(name: string, event: string): Heard {
  const channel = "news";
  if (name === "native") return { channel, event, value: TEXT };
  if (name === "events") return { channel, event: event || "message", value: TEXT };
  if (name === "rootsocket") return { channel, event: "", value: TEXT };
  return { channel, event: event === "" && name !== "broadcaster" ? "message" : event, value: VALUE };
}

function config(brokers: object = {}) {
  return { webrocket: { backend: "127.0.0.1:0" }, vhosts: { "/": SPEAKING }, ...brokers };
}

async function startSpeakingNode(brokers: object = {}): Promise<TestNode & { readonly backend: string }> {
  const node = await startNode(config(brokers));
  await openChannels(node);
  return { ...node, backend: node.carillon.addresses?.webrocketBackend ?? "" };
}

async function enterAll(node: TestNode): Promise<Map<string, SpeakerClient>> {
  const clients = new Map<string, SpeakerClient>();
  for (const speaker of SPEAKERS) {
    const client = await speaker.enter(node);
    await client.subscribe("news");
    clients.set(speaker.name, client);
  }
  return clients;
}

async function expectHeard(clients: ReadonlyMap<string, SpeakerClient>, event: string): Promise<void> {
  for (const [name, { heard }] of clients) expect([name, await heard.next()]).toEqual([name, expected(name, event)]);
}

test("D1, D2: delivers messages of every publisher to clients of all dialects, each in its own format", async () => {
  const node = await startSpeakingNode();
  const speakers = await enterAll(node);
  for (const way of WAYS) {
    await way.publish({ node, backend: node.backend, speakers });
    await expectHeard(speakers, way.event);
  }
  for (const { heard } of speakers.values()) expect(heard.unread).toEqual([]);
});

test("D1, N2: delivers messages between two nodes, and messages of a plain NATS client", async () => {
  const server = await startNats();
  const brokers = { brokers: { nats: { driver: "nats", servers: [server.url] } } };
  const [there, here] = [await startSpeakingNode(brokers), await startSpeakingNode(brokers)];
  const speakers = await enterAll(there);
  const heard = await enterAll(here);
  for (const way of WAYS) {
    await way.publish({ node: there, backend: there.backend, speakers });
    await expectHeard(heard, way.event);
  }
  const nats = await connectNats(server);
  nats.publish("carillon._.news", TEXT);
  await expectHeard(heard, "");
});

test("D3: converts payloads that a dialect cannot carry", async () => {
  const node = await startSpeakingNode();
  const speakers = await enterAll(node);
  const heardOf = async (payload: string | Uint8Array, event: string) => {
    await publish(node, [{ topics: ["news"], event, payload }]);
    const said: Record<string, unknown> = {};
    for (const [name, { heard }] of speakers) {
      const { event: named, value } = await heard.next();
      said[name] = [named, value];
    }
    return said;
  };
  expect(await heardOf("no JSON", ":joined")).toEqual({
    native: [":joined", "no JSON"],
    events: [":joined", "no JSON"],
    broadcaster: [":joined", "no JSON"],
    rootsocket: ["", "no JSON"],
    webrocket: ["message", { data: "no JSON" }],
    socketio: [":joined", "no JSON"],
  });
  expect(await heardOf("[1]", "disconnect")).toEqual({
    native: ["disconnect", "[1]"],
    events: ["disconnect", "[1]"],
    broadcaster: ["disconnect", [1]],
    rootsocket: ["", "[1]"],
    webrocket: ["disconnect", { data: [1] }],
    socketio: ["message", [1]],
  });
  expect(await heardOf(Buffer.from([0xff, 0]), "")).toEqual({
    native: ["", "/wA="],
    events: ["message", "data:application/octet-stream;base64,/wA="],
    broadcaster: ["", "/wA="],
    rootsocket: ["", "/wA="],
    webrocket: ["message", { data: "/wA=", encoding: "base64" }],
    socketio: ["message", Buffer.from([0xff, 0])],
  });
});

test("D5: names the connection as the sender of a message, and no sender for a backend", async () => {
  const server = await startNats();
  const node = await startSpeakingNode({ brokers: { nats: { driver: "nats", servers: [server.url] } } });
  const heard = await listenTo(await connectNats(server), "carillon._.news");
  const client = await SPEAKERS.find(({ name }) => name === "webrocket")?.enter(node);
  await client?.subscribe("news");
  client?.publish?.("news", "e", VALUE);
  const { connections } = await new TestBackend(node).call(ControlService.method.listConnections, {});
  expect((await heard.next()).headers?.get("Carillon-Sender")).toBe(connections[0]?.id);
  await publish(node, [{ topics: ["news"], payload: TEXT }]);
  expect((await heard.next()).headers?.has("Carillon-Sender")).toBe(false);
});

test.each(["/ws", "/broadcaster/websocket", "ROOTSOCKET", "/webrocket"])(
  "D8: answers malformed commands at %s, closes after ten of them, and closes on a frame that is not text",
  async (path) => {
    const node = await startSpeakingNode();
    const open = async (): Promise<TestClient> => {
      if (path !== "ROOTSOCKET") return connect(node.ws + path);
      const answer = await fetch(`${node.http}/api/v1/connections/`, { method: "POST" });
      const { token } = (await answer.json()) as { readonly token: string };
      return connect(`${node.ws}/api/v1/ws/${token}/`);
    };
    const noisy = await open();
    if (path === "/webrocket") await noisy.nextText();
    for (let count = 0; count < 10; count += 1) {
      noisy.send("no command");
      expect(await noisy.nextText()).toMatch(/error/);
    }
    expect((await noisy.closed).code).toBe(1008);
    const binary = await open();
    binary.webSocket.send(Buffer.from("7bff7d", "hex"));
    expect((await binary.closed).code).toBe(1007);
  },
);

test("D1: does not serve dialects that the configuration does not name", async () => {
  const node = await startNode({ dialects: ["native"] });
  for (const path of [
    "/broadcaster/websocket",
    "/api/v1/ws/a.b.c/",
    "/webrocket",
    "/socket.io/?EIO=4&transport=websocket",
  ]) {
    expect([path, (await refusedUpgrade(node.ws + path)).status]).toEqual([path, 404]);
  }
  for (const path of ["/broadcaster/health", "/api/v1/connections/", "/socket.io/?EIO=4&transport=polling"]) {
    expect([path, (await fetch(node.http + path)).status]).toEqual([path, 404]);
  }
  await (await connect(`${node.ws}/ws`)).join("news");
});
