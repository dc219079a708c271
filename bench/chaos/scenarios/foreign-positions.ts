import { once } from "node:events";
import { WebSocket } from "ws";
import { KEEP, World } from "../parts/world.js";
import type { Scenario } from "./scenario.js";

interface JoinAnswer {
  readonly topic: string;
  readonly positions?: Readonly<Record<string, string>>;
  readonly recovered?: Readonly<Record<string, boolean>>;
  readonly reasons?: Readonly<Record<string, string>>;
}

const OTHER_VHOST = "/other";

export const foreignPositions: Scenario = {
  name: "foreign-positions",
  what: "clients come with positions of other topics, vhosts and streams, and with altered ones",
  run: (size) => {
    const topics = size.toy ? 2 : 4;
    const classes = { keep: { topics, settings: KEEP }, twin: { topics, settings: { ...KEEP, messages: 99_999 } } };
    const other = { history: { keep: KEEP }, topics: [{ match: "keep.*", history: "keep" }] };
    return World.run({ size, classes, vhosts: { [OTHER_VHOST]: other } }, async (world) => {
      await world.flow("positions are collected");
      for (const [position, node] of world.nodes.entries()) {
        const topic = `keep.${position % topics}`;
        const own = positionIn(world, topic);
        const foreign = [
          positionIn(world, `keep.${(position + 1) % topics}`),
          positionIn(world, `twin.${position % topics}`),
          ...(await basePositions(node.http)),
          ...alter(own),
        ];
        for (const wrong of foreign) await expectRefusal(world, node.http, topic, wrong);
        await expectRefusal(world, node.http, topic, own, `/ws${OTHER_VHOST}`);
      }
      await world.flow("foreign positions are refused");
    });
  },
};

/** Returns the position of the last message that a client of the topic has seen. */
function positionIn({ clients }: World, topic: string): string {
  for (const { positions } of clients) {
    const position = positions.get(topic);
    if (position !== undefined) return position;
  }
  throw new Error(`no client has a position in ${topic}`);
}

/** Returns positions of topics without messages, in both vhosts. */
async function basePositions(http: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of ["/ws", `/ws${OTHER_VHOST}`]) {
    const { positions = {} } = await join(http, path, "keep.none", {});
    if (positions["keep.none"] !== undefined) found.push(positions["keep.none"]);
  }
  return found;
}

/** Returns every position that differs from this one in one character, and some others. */
function alter(position: string): string[] {
  const flipped = Array.from(position).map((character, index) => {
    const other = character === "1" ? "2" : "1";
    return `${position.slice(0, index)}${other}${position.slice(index + 1)}`;
  });
  return [
    ...flipped,
    position.slice(0, -1),
    `${position}0`.slice(0, 64),
    position.toUpperCase(),
    "0",
    "x".repeat(64),
  ].filter((text) => text !== position);
}

async function expectRefusal(world: World, http: string, topic: string, position: string, path = "/ws"): Promise<void> {
  const { reasons = {}, recovered = {}, topic: answer } = await join(http, path, topic, { [topic]: position });
  if (answer !== "@join") world.observed.fault(`H3: the join with ${position} was answered ${answer}`);
  else if (recovered[topic] ?? true) world.countFalseRecovery(`${topic} was recovered from ${position} by ${path}`);
  else world.observed.countRefused(reasons[topic] ?? "none");
}

async function join(
  http: string,
  path: string,
  topic: string,
  recover: Readonly<Record<string, string>>,
): Promise<JoinAnswer> {
  const webSocket = new WebSocket(`ws://${http}${path}`, { perMessageDeflate: false });
  try {
    await once(webSocket, "open");
    webSocket.send(JSON.stringify({ command: "join", topics: [topic], recover, id: 1 }));
    const [data] = (await once(webSocket, "message")) as [Buffer];
    return JSON.parse(data.toString("utf8")) as JoinAnswer;
  } finally {
    webSocket.terminate();
  }
}
