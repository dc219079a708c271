import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { ListenClient } from "../../src/transport/listen-client.js";
import { cleanUp } from "../support/clean-up.js";
import { startNode } from "../support/node.js";
import { say } from "../support/publish.js";

/** What happened, as lines, and a way to wait for one. */
class Story {
  readonly lines: string[] = [];
  #wake: (() => void) | undefined;

  readonly events = {
    onFrame: (text: string) => this.#tell(text),
    onConnected: () => this.#tell("connected"),
    onLost: (reason: string) => this.#tell(`lost: ${reason}`),
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

function listen(url: string, topics: readonly string[]): Story {
  const story = new Story();
  const client = new ListenClient(url, topics, story.events);
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
    '{"topic":"@join","payload":["foo","bar"],"id":1}',
    '{"topic":"bar","payload":"hi"}',
  ]);
});

test("L7: a listening client that is told to go joins again on its next connection", async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  cleanUp(() => server.close());
  await once(server, "listening");
  const commands: string[] = [];
  server.on("connection", (webSocket: WebSocket) => {
    webSocket.on("message", (data: Buffer) => {
      commands.push(data.toString());
      if (commands.length === 1) webSocket.close(1012, "service restart");
      else if (commands.length === 2) webSocket.terminate();
      else webSocket.send("at last");
    });
  });
  const story = listen(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, ["foo"]);
  await story.until(6);
  expect(story.lines).toEqual([
    "connected",
    "lost: closed with 1012 service restart",
    "connected",
    "lost: connection lost",
    "connected",
    "at last",
  ]);
  expect(new Set(commands)).toEqual(new Set(['{"command":"join","topics":["foo"],"id":1}']));
});

test("O8: a listening client says why it cannot connect", async () => {
  const node = await startNode();
  const story = listen(`${node.ws}/nowhere`, ["foo"]);
  await story.until(1);
  expect(story.lines).toEqual(["lost: Unexpected server response: 404"]);
});
