import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { type Frame, ListenClient } from "../../src/transport/listen-client.js";
import { cleanUp } from "../support/clean-up.js";
import { startNode } from "../support/node.js";
import { say } from "../support/publish.js";

/** What happened, as lines, and a way to wait for one. */
class Story {
  readonly lines: string[] = [];
  readonly waits: number[] = [];
  #wake: (() => void) | undefined;

  readonly events = {
    onFrame: ({ topic }: Frame, text: string) => this.#tell(`${topic}: ${text}`),
    onConnected: () => this.#tell("connected"),
    onRetry: (reason: string, wait: number) => {
      this.waits.push(wait);
      this.#tell(`again: ${reason}`);
    },
    onRefused: (reason: string) => this.#tell(`refused: ${reason}`),
  };

  async until(count: number): Promise<void> {
    while (this.lines.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #tell(line: string): void {
    this.lines.push(line);
    this.#wake?.();
  }
}

const AWAY = '{"topic":"#join","payload":["foo"],"id":1,"error":{"code":"unavailable","message":"away"}}';
const JOIN = '{"command":"join","topics":["foo"],"id":1}';

type Answer = (webSocket: WebSocket) => void;

const refuseAway: Answer = (webSocket) => webSocket.send(AWAY);

interface Scripted {
  readonly url: string;
  readonly commands: readonly string[];
}

/** A server that answers the commands that come, on whatever connection, each in its own way. */
async function scripted(...answers: readonly Answer[]): Promise<Scripted> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  cleanUp(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await once(server, "listening");
  const commands: string[] = [];
  server.on("connection", (webSocket: WebSocket) => {
    webSocket.on("message", (data: Buffer) => {
      commands.push(data.toString());
      answers[commands.length - 1]?.(webSocket);
    });
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, commands };
}

function listen(url: string, topics: readonly string[], token?: string): Story {
  const story = new Story();
  const client = new ListenClient({ url, topics, token }, story.events);
  cleanUp(() => client.stop());
  client.connect();
  return story;
}

test("W2: a listening client joins its topics and hands on every frame as it came", async () => {
  const node = await startNode();
  const story = listen(`${node.ws}/ws?meta=0`, ["foo", "bar"]);
  await story.until(2);
  await say(node, "bar", "hi");
  await story.until(3);
  expect(story.lines).toEqual([
    "connected",
    '@join: {"topic":"@join","payload":["foo","bar"],"id":1}',
    'bar: {"topic":"bar","payload":"hi"}',
  ]);
});

test("L7: a listening client that is told to go joins again on its next connection", async () => {
  const { commands, url } = await scripted(
    (webSocket) => webSocket.close(1012, "service restart"),
    (webSocket) => webSocket.terminate(),
    (webSocket) => webSocket.send('{"topic":"at last"}'),
  );
  const story = listen(url, ["foo"]);
  await story.until(6);
  expect(story.lines).toEqual([
    "connected",
    "again: closed with 1012 service restart",
    "connected",
    "again: connection lost",
    "connected",
    'at last: {"topic":"at last"}',
  ]);
  expect(commands).toEqual([JOIN, JOIN, JOIN]);
});

test("a server that sends anything else is told to be none of Carillon's, and left", async () => {
  const { url } = await scripted((webSocket) => webSocket.send("hello?"));
  const story = listen(url, ["foo"]);
  await story.until(2);
  expect(story.lines).toEqual(["connected", "refused: the server does not speak Carillon's protocol"]);
});

test("A4: a listening client shows its token, and does not come again where that is refused", async () => {
  const node = await startNode({ vhosts: { "/": { anonymous: { connect: false } } } });
  const story = listen(`${node.ws}/ws`, ["foo"], "no-token");
  await story.until(1);
  expect(story.lines).toEqual(["refused: the server answers 401"]);
});

test("A10: one that the backend has disconnected stays away", async () => {
  const { commands, url } = await scripted((webSocket) => webSocket.close(4403, "disconnected by the backend"));
  const story = listen(url, ["foo"]);
  await story.until(2);
  expect(story.lines).toEqual(["connected", "refused: closed with 4403 disconnected by the backend"]);
  expect(commands).toEqual([JOIN]);
});

test("O9: a listening client asks again, ever less often, on the same connection, while the broker is away", async () => {
  const { commands, url } = await scripted(refuseAway, refuseAway, (webSocket) => webSocket.send('{"topic":"@join"}'));
  const story = listen(url, ["foo"]);
  await story.until(4);
  expect(story.lines).toEqual(["connected", "again: away", "again: away", '@join: {"topic":"@join"}']);
  expect(commands).toEqual([JOIN, JOIN, JOIN]);
  const [first = 0, second = 0] = story.waits;
  // Each wait is half random: 125 to 250 ms, then 250 to 500 ms.
  expect(first).toBeLessThanOrEqual(250);
  expect(second).toBeGreaterThanOrEqual(250);
});

test("O9: a connection that is lost while the broker is away is had again, and the topics are joined there", async () => {
  const { commands, url } = await scripted(
    (webSocket) => {
      webSocket.send(AWAY);
      webSocket.close(1012);
    },
    (webSocket) => webSocket.send('{"topic":"@join"}'),
  );
  const story = listen(url, ["foo"]);
  await story.until(5);
  expect(story.lines).toEqual([
    "connected",
    "again: away",
    "again: closed with 1012",
    "connected",
    '@join: {"topic":"@join"}',
  ]);
  expect(commands).toEqual([JOIN, JOIN]);
});

test("W9: any other refusal is handed on, and the client does not ask again", async () => {
  const refusal = AWAY.replace("unavailable", "not_found");
  const { url } = await scripted((webSocket) => webSocket.send(refusal));
  const story = listen(url, ["foo"]);
  await story.until(2);
  expect(story.lines).toEqual(["connected", `#join: ${refusal}`]);
  expect(story.waits).toEqual([]);
});

test("O8: a listening client says why it cannot connect", async () => {
  const node = await startNode();
  const story = listen(`${node.ws}/nowhere`, ["foo"]);
  await story.until(1);
  expect(story.lines).toEqual(["refused: the server answers 404"]);
});
