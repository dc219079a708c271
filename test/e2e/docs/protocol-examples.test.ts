import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { createInterface } from "node:readline";
import { SECRET, signed } from "../../access/jwts.js";
import { openStreamPeer } from "../../dialects/events/support.js";
import { rpcClient } from "../../dialects/roadrunner/support.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect } from "../../support/clients/native.js";
import { connectionToken } from "../../support/clients/rootsocket.js";
import { broadcasterToken, openChannels, SPEAKERS, SPEAKING } from "../../support/clients/speakers.js";
import { NATIVE_SPEECH, playTranscript, type TranscriptClient } from "../../support/clients/transcript.js";
import { readChapters, readWireExamples, type WireExample } from "../../support/docs/chapters.js";
import { parseBytes, playConversation, playHttp, playPackets, type WirePeer } from "../../support/docs/wire-players.js";
import { startNatsNode } from "../../support/nats/node.js";
import { type NatsServer, startNats } from "../../support/nats/server.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { Queue } from "../../support/queue.js";

/** Plays the examples of docs/protocol/, other than the dialects' transcripts, which the dialect contract plays. */

type Player = (examples: readonly WireExample[]) => Promise<void>;

const PLAYERS: Readonly<Record<string, Player>> = {
  http: async (examples) => {
    const node = await startNode();
    for (const { code } of examples) await playHttp(node.http, code);
  },
  transcript: async (examples) => {
    const speech = { ...NATIVE_SPEECH, words: async () => ({ eve: await eveToken() }) };
    for (const { code } of examples) await playTranscript({ title: "", lines: code.split("\n") }, speech);
  },
  dialects: async (examples) => {
    const node = await startNode({ vhosts: { "/": SPEAKING } });
    await openChannels(node);
    for (const { code } of examples) {
      const text = code.replace("{{token}}", broadcasterToken());
      await playConversation(node, text, (name) => openDialect(node, name));
    }
  },
  nats: async (examples) => {
    const server = await startNats();
    const node = await startNatsNode(server.url, {});
    const open = (name: string): Promise<WirePeer> => (name === "nats" ? openNats(server) : openDialect(node, name));
    for (const { code } of examples) await playConversation(node, code, open);
  },
  packets: async (examples) => {
    const node = await startNode({ webrocket: { backend: "127.0.0.1:0" }, vhosts: { "/": SPEAKING } });
    await openChannels(node);
    for (const { code } of examples) await playPackets(`tcp://${node.carillon.addresses?.webrocketBackend}`, code);
  },
  goridge: async (examples) => {
    const node = await startNode({ roadrunner: { listen: "tcp://127.0.0.1:0" } });
    const client = await rpcClient(node);
    for (const line of examples.flatMap(({ code }) => code.split("\n"))) {
      const bytes = parseBytes(line.slice(2));
      if (line.startsWith("> ")) client.send(bytes);
      else expect((await client.take(bytes.length)).toString("hex")).toBe(bytes.toString("hex"));
    }
  },
};

const dialects = new Set<string>(SPEAKERS.map(({ name }) => name));

const cases = readChapters().flatMap((chapter) => {
  const examples = readWireExamples(chapter);
  return [...new Set(examples.map(({ kind }) => kind))]
    .filter((kind) => kind !== "transcript" || !dialects.has(chapter.name))
    .map((kind) => ({ chapter: chapter.name, kind, examples: examples.filter((example) => example.kind === kind) }));
});

test.each(cases)(
  "shows real frames in the $kind examples of docs/protocol, chapter $chapter",
  async ({ examples, kind }) => {
    const play = PLAYERS[kind];
    expect(play).toBeDefined();
    await play?.(examples);
  },
);

function eveToken(): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  return signed(SECRET, "HS256", { sub: "eve", exp, permissions: { join: ["staff.eve"] } });
}

const PATHS: Readonly<Record<string, (node: TestNode) => Promise<string> | string>> = {
  native: () => "/ws",
  broadcaster: () => "/broadcaster/websocket",
  rootsocket: async (node) => `/api/v1/ws/${await connectionToken(node)}/`,
  webrocket: () => "/webrocket",
  socketio: () => "/socket.io/?EIO=4&transport=websocket",
};

async function openDialect(node: TestNode, name: string): Promise<WirePeer> {
  if (name === "events") return createStreamPeer(node);
  const path = await PATHS[name]?.(node);
  if (path === undefined) throw new Error(`unknown dialect: ${name}`);
  const client = await connect(node.ws + path);
  return { send: (line) => client.send(line), next: () => client.nextText() };
}

/** A client that opens a stream with the line that it sends, such as `GET /events?topic=news`. */
function createStreamPeer(node: TestNode): WirePeer {
  let stream: TranscriptClient | undefined;
  return {
    send: async (line) => {
      stream = await openStreamPeer(node, line.slice("GET ".length));
    },
    next: async () => (await stream?.nextText()) ?? "",
  };
}

/** Connects to a nats-server without a library. A round trip after each line ensures that the line has taken effect. */
async function openNats(server: NatsServer): Promise<WirePeer> {
  const socket = connectTcp(server.port, "127.0.0.1");
  cleanUp(() => socket.destroy());
  await once(socket, "connect");
  const lines = new Queue<string>();
  const pongs = new Queue<string>();
  createInterface({ input: socket }).on("line", (line) => {
    if (line === "PONG") pongs.push(line);
    else if (line === "PING") socket.write("PONG\r\n");
    else if (!line.startsWith("INFO ")) lines.push(line);
  });
  const send = async (line: string): Promise<void> => {
    socket.write(`${line}\r\n`);
    if (line.startsWith("PUB ")) return;
    socket.write("PING\r\n");
    await pongs.next();
  };
  await send('CONNECT {"verbose":false,"headers":true}');
  return { send, next: () => lines.next() };
}
