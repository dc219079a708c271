import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { ListenClient, type ListenFrame, type ListenOptions } from "../../src/outbound/listen-client.js";
import { say } from "../support/backends/publish.js";
import { cleanUp } from "../support/clean-up.js";
import { TestAuthority } from "../support/net/certificates.js";
import { startNode } from "../support/nodes/node.js";

/** Events as lines of text, with a way to wait for one. */
class Story {
  readonly lines: string[] = [];
  readonly waits: number[] = [];
  #wake: (() => void) | undefined;

  readonly events = {
    onFrame: ({ topic }: ListenFrame, text: string) => this.#tell(`${topic}: ${text}`),
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

/** Server that gives each command of any connection the next of its answers. */
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

function listen(url: string, topics: readonly string[], options: Partial<ListenOptions> = {}): Story {
  const story = new Story();
  const client = new ListenClient({ url, topics, token: undefined, ...options }, story.events);
  cleanUp(() => client.stop());
  client.connect();
  return story;
}

test("W2: joins its topics and passes on every frame unchanged", async () => {
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

test("L7: joins again on its next connection when the server closes the last one", async () => {
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

test("L23: waits as the text of a close frame or Retry-After advises", async () => {
  const { url } = await scripted((webSocket) => webSocket.close(1012, "service restart, retry after 100-200 s"));
  const closed = listen(url, ["foo"]);
  await closed.until(2);
  const [first = 0] = closed.waits;
  expect(first).toBeGreaterThanOrEqual(100_000);
  expect(first).toBeLessThanOrEqual(200_000);

  const server = createServer().listen(0, "127.0.0.1");
  cleanUp(() => server.close());
  await once(server, "listening");
  server.on("upgrade", (_request, socket) => {
    socket.end("HTTP/1.1 503 No\r\nconnection: close\r\nretry-after: 50\r\ncontent-length: 0\r\n\r\n");
  });
  const refused = listen(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, ["foo"]);
  await refused.until(1);
  const [second = 0] = refused.waits;
  expect(second).toBeGreaterThanOrEqual(50_000);
  expect(second).toBeLessThanOrEqual(51_000);
});

test("disconnects from a server that does not speak Carillon's protocol", async () => {
  const { url } = await scripted((webSocket) => webSocket.send("hello?"));
  const story = listen(url, ["foo"]);
  await story.until(2);
  expect(story.lines).toEqual(["connected", "refused: the server does not speak Carillon's protocol"]);
});

test("A4: sends its token, and does not reconnect when it is refused", async () => {
  const node = await startNode({ vhosts: { "/": { anonymous: { connect: false } } } });
  const story = listen(`${node.ws}/ws`, ["foo"], { token: "no-token" });
  await story.until(1);
  expect(story.lines).toEqual([expect.stringMatching(/^refused: the server answers 401: .*token/)]);
});

test("O8: reconnects after temporary refusals, and reports the reasons", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  cleanUp(() => server.close());
  await once(server, "listening");
  const answers = [
    [503, '{"code":"unavailable","message":"this node is stopping"}'],
    [429, "{}"],
    [502, "<html>a proxy's</html>"],
    [403, `{"message":"${"x".repeat(10_000)}"}`],
  ] as const;
  let requests = 0;
  server.on("upgrade", (_request, socket) => {
    const [status, body] = answers[requests++] ?? [500, ""];
    socket.end(`HTTP/1.1 ${status} No\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  });
  const story = listen(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, ["foo"]);
  await story.until(4);
  expect(story.lines).toEqual([
    "again: the server answers 503: this node is stopping",
    "again: the server answers 429",
    "again: the server answers 502",
    "refused: the server answers 403",
  ]);
});

test("trusts a given certificate authority", async () => {
  const authority = await TestAuthority.create();
  const { certFile, keyFile } = await authority.issue("localhost");
  const node = await startNode({ tls: { cert_file: certFile, key_file: keyFile } });
  const url = `${node.ws}/ws`.replace("127.0.0.1", "localhost");
  const trusting = listen(url, ["foo"], { ca: readFileSync(authority.caFile) });
  await trusting.until(2);
  expect(trusting.lines[0]).toBe("connected");
  const wary = listen(url, ["foo"]);
  await wary.until(1);
  expect(wary.lines).toEqual([expect.stringMatching(/^again: .*certificate/)]);
});

test("A10: does not reconnect when the backend has disconnected it", async () => {
  const { commands, url } = await scripted((webSocket) => webSocket.close(4403, "disconnected by the backend"));
  const story = listen(url, ["foo"]);
  await story.until(2);
  expect(story.lines).toEqual(["connected", "refused: closed with 4403 disconnected by the backend"]);
  expect(commands).toEqual([JOIN]);
});

test("O9: retries its join with growing waits on the same connection while the broker is disconnected", async () => {
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

test("O9: reconnects and joins when the connection is lost while the broker is disconnected", async () => {
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

test("W9: passes on any other refusal without a retry", async () => {
  const refusal = AWAY.replace("unavailable", "not_found");
  const { url } = await scripted((webSocket) => webSocket.send(refusal));
  const story = listen(url, ["foo"]);
  await story.until(2);
  expect(story.lines).toEqual(["connected", `#join: ${refusal}`]);
  expect(story.waits).toEqual([]);
});

test("O8: reports why it cannot connect", async () => {
  const node = await startNode();
  const story = listen(`${node.ws}/nowhere`, ["foo"]);
  await story.until(1);
  expect(story.lines).toEqual(["refused: the server answers 404: no WebSocket endpoint at /nowhere"]);
});

const pong: Answer = (webSocket) => webSocket.send('{"topic":"@pong","id":"settled"}');

const terminate: Answer = (webSocket) => webSocket.terminate();

/** Answers a join with a position, then sends the frames. */
function joinAt(position: string, ...frames: readonly string[]): Answer {
  return (webSocket) => {
    webSocket.send(`{"topic":"@join","payload":["foo"],"id":1,"positions":{"foo":"${position}"}}`);
    for (const frame of frames) webSocket.send(frame);
  };
}

function joinAfter(position: string): string {
  return JOIN.replace("}", `,"recover":{"foo":"${position}"}}`);
}

test("H2: recovers from the last message, or from the position of a join whose stored messages have arrived", async () => {
  const { commands, url } = await scripted(
    // The connection is lost before the stored messages have certainly arrived.
    joinAt("p1"),
    terminate,
    joinAt("p1"),
    (webSocket) => {
      pong(webSocket);
      webSocket.close(1012);
    },
    joinAt("p3", '{"topic":"foo","payload":"x","position":"p2"}'),
    terminate,
    joinAt("p3", '{"topic":"foo","payload":"y","position":"p3"}'),
  );
  const story = listen(url, ["foo"], { start: { kind: "latest", limit: 5 } });
  await story.until(13);
  const ping = '{"command":"ping","id":"settled"}';
  const rewind = '{"command":"join","topics":["foo"],"id":1,"history":{"limit":5}}';
  expect(commands.slice(0, 7)).toEqual([rewind, ping, rewind, ping, joinAfter("p1"), ping, joinAfter("p2")]);
});

test("H2: recovers from the position of a join that asked for no stored messages, even when the connection ends next", async () => {
  const { commands, url } = await scripted(joinAt("p1"), terminate, joinAt("p2"), terminate, joinAt("p3"));
  const story = listen(url, ["foo"]);
  await story.until(8);
  const ping = '{"command":"ping","id":"settled"}';
  // The messages between p1 and p2 have not certainly arrived.
  expect(commands.slice(0, 5)).toEqual([JOIN, ping, joinAfter("p1"), ping, joinAfter("p1")]);
});
