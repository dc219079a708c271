import { SignJWT } from "jose";
import type { ConfigInput } from "../../src/index.js";
import { type Node, nodeContender, startNode } from "./carillon.js";
import type { Contender } from "./contender.js";
import { topicName } from "./payload.js";
import type { Hello } from "./receiver.js";

/** Dialect of clients: how they connect and join topics. */
export interface Speaker {
  readonly name: string;
  /** Returns the path of each client. */
  readonly paths: (node: Node, clients: number) => Promise<readonly string[]>;
  readonly hello: (topics: readonly number[]) => Hello;
}

const SECRET = "bench";

/** Configuration for all dialects. Pings are effectively off, because the load does not answer application-level pings. */
export const CONFIG: ConfigInput = {
  ping: { interval: "1h" },
  vhosts: { "/": { broadcaster: { secret: SECRET } } },
};

/** Upper bound of the number of topics that the benchmarks use. */
const TOPICS = 100;

const token = await new SignJWT({
  authorizedChannels: Array.from({ length: TOPICS }, (_, topic) => topicName(topic)),
  scope: ["subscribe"],
})
  .setProtectedHeader({ alg: "HS256" })
  .setSubject("bench")
  .setAudience("broadcaster")
  .setExpirationTime("2h")
  .sign(Buffer.from(SECRET));

export const native: Speaker = {
  name: "native",
  paths: same("/ws"),
  hello: (topics) => ({ says: [[JSON.stringify({ command: "join", topics: topics.map(topicName) })]], answers: 1 }),
};

export const broadcaster: Speaker = {
  name: "broadcaster",
  paths: same("/broadcaster/websocket"),
  hello: (topics) => {
    const requests = [
      { method: "auth", params: { token } },
      ...topics.map((topic) => ({ method: "subscribe", params: { channel: topicName(topic) } })),
    ];
    const texts = requests.map((request, position) => JSON.stringify({ id: position + 1, ...request }));
    return { says: [texts], answers: texts.length };
  },
};

export const rootsocket: Speaker = {
  name: "rootsocket",
  paths: async (node, clients) => {
    const settings = { allowChannelAuthorization: false };
    const tokens = Array.from({ length: clients }, () =>
      callService(node, "TokenService/CreateConnectionToken", settings),
    );
    return (await Promise.all(tokens)).map(({ token: connectionToken }) => `/api/v1/ws/${String(connectionToken)}/`);
  },
  // Subscriptions are not answered; the answer to a ping after them shows that they are done.
  hello: (topics) => ({
    says: [
      [
        ...topics.map((topic) => JSON.stringify({ event: "subscription-add", data: { channel: topicName(topic) } })),
        '{"event":"ping"}',
      ],
    ],
    answers: 1,
  }),
};

export const webrocket: Speaker = {
  name: "webrocket",
  paths: async (node, clients) => {
    for (let topic = 0; topic < TOPICS; topic += 1) {
      await callService(node, "ControlService/OpenChannel", { channel: topicName(topic) });
    }
    return same("/webrocket")(node, clients);
  },
  // The server sends a greeting first.
  hello: (topics) => ({
    says: [[], topics.map((topic) => JSON.stringify({ subscribe: { channel: topicName(topic) } }))],
    answers: 1 + topics.length,
  }),
};

export const socketio: Speaker = {
  name: "socketio",
  paths: same("/socket.io/?EIO=4&transport=websocket"),
  // Engine.IO's handshake arrives first, then Socket.IO's answers.
  hello: (topics) => ({
    says: [["40"], [], [`420${JSON.stringify(["join", { topics: topics.map(topicName) }])}`]],
    answers: 3,
  }),
};

/** Starts a node with clients of several dialects. @param clients - number for each dialect @param script - of the node */
export async function startSpeakers(
  name: string,
  speakers: readonly Speaker[],
  clients: number,
  { profiles, script }: { readonly profiles: string | undefined; readonly script?: string },
): Promise<Contender> {
  const node = await startNode({ config: CONFIG, ...(script === undefined ? {} : { script }) });
  const paths = await Promise.all(speakers.map((speaker) => speaker.paths(node, clients)));
  return nodeContender(name, node, { profiles, path: paths.flat() });
}

function same(path: string): Speaker["paths"] {
  return (_node, clients) => Promise.resolve(Array.from({ length: clients }, () => path));
}

async function callService(
  { port }: Node,
  method: string,
  request: object,
): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(`http://127.0.0.1:${port}/carillon.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  if (!response.ok) throw new Error(`${method}: ${await response.text()}`);
  return (await response.json()) as Readonly<Record<string, unknown>>;
}
