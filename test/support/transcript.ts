import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ConfigInput } from "../../src/index.js";
import { connect, type TestClient } from "./client.js";
import { startNode, type TestNode } from "./node.js";
import { publish } from "./publish.js";

/**
 * A golden transcript: what goes over the wire, line by line.
 *
 *     # W2: the title, beginning with the rule
 *     config {"limits":{"topics_per_connection":2}}     the node's configuration
 *     open /ws?meta=1                                   the client connects (else to /ws)
 *     > {"command":"join","topics":["foo"]}             the client sends a text frame
 *     >> deadbeef                                       the client sends a binary frame, in hexadecimal
 *     < {"topic":"@join","payload":["foo"]}             the server's next frame, byte for byte
 *     publish foo {"payload":"hi","event":"e"}          a backend publishes; "hex" instead of "payload" for bytes
 *     closed 1008 too many malformed frames             the server has closed
 *
 * At the end nothing may be unread: a join of its own is the sentinel. In `<` lines `<time>` stands for any time.
 */
export interface Transcript {
  readonly title: string;
  readonly lines: readonly string[];
}

export function readTranscripts(folder: string): Transcript[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".txt"))
    .toSorted()
    .flatMap((name) => {
      const parts = readFileSync(join(folder, name), "utf8").split(/^# /m).slice(1);
      return parts.map((part) => {
        const [title = "", ...lines] = part.split("\n").filter((line) => line.trim() !== "");
        return { title, lines };
      });
    });
}

export async function playTranscript({ lines }: Transcript): Promise<void> {
  const config = lines.find((line) => line.startsWith("config "))?.slice("config ".length) ?? "{}";
  const path = lines.find((line) => line.startsWith("open "))?.slice("open ".length) ?? "/ws";
  const node = await startNode(JSON.parse(config) as ConfigInput);
  const client = await connect(node.ws + path);
  let closed = false;
  for (const line of lines) {
    const space = line.indexOf(" ");
    const [verb, rest] = [line.slice(0, space), line.slice(space + 1)];
    if (verb === "closed") closed = true;
    await play(verb, rest, client, node);
  }
  if (!closed) {
    const sentinel = await client.ask({ command: "join", topics: ["sentinel"], id: "sentinel" });
    expect(sentinel).toMatchObject({ topic: "@join", id: "sentinel" });
  }
  expect(client.unread).toEqual([]);
}

async function play(verb: string, rest: string, client: TestClient, node: TestNode): Promise<void> {
  switch (verb) {
    case "config":
    case "open":
      return;
    case ">":
      client.send(rest);
      return;
    case ">>":
      client.webSocket.send(Buffer.from(rest, "hex"));
      return;
    case "<": {
      const text = await client.nextText();
      expect(rest.includes("<time>") ? text.replace(/"\d{4}-[\d-]+T[\d:]+\.\d{3}Z"/, '"<time>"') : text).toBe(rest);
      return;
    }
    case "publish": {
      const space = rest.indexOf(" ");
      const { hex, ...message } = JSON.parse(rest.slice(space + 1)) as { hex?: string; payload?: string };
      const payload = hex === undefined ? {} : { payload: Buffer.from(hex, "hex") };
      const answer = await publish(node, [{ topics: rest.slice(0, space).split(","), ...message, ...payload }]);
      expect(answer).toMatchObject({ ok: true });
      return;
    }
    case "closed": {
      const { code, reason } = await client.closed;
      expect(`${code} ${reason}`).toBe(rest);
      return;
    }
    default:
      throw new Error(`a transcript has no ${JSON.stringify(verb)}`);
  }
}
