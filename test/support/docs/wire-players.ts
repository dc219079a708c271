import { publish } from "../backends/publish.js";
import type { TestNode } from "../nodes/node.js";
import { connectRaw } from "../raw/client.js";
import { patternOf } from "./examples.js";

/** A peer on the wire, which sends and receives lines. */
export interface WirePeer {
  send(line: string): Promise<void> | void;
  next(): Promise<string>;
}

/** Sends the request of an `http` block, and expects its response; `…` in the response stands for anything. */
export async function playHttp(url: string, code: string): Promise<void> {
  const [request = "", response = ""] = code.split(/\n\n(?=HTTP\/1\.1 )/);
  const sent = parseHttp(request);
  const [method = "", path = ""] = sent.firstLine.split(" ");
  const answer = await fetch(url + path, {
    method,
    headers: sent.headers,
    ...(sent.body === "" ? {} : { body: sent.body }),
  });
  const expected = parseHttp(response);
  const body = await answer.text();
  expect(`HTTP/1.1 ${answer.status} ${answer.statusText}`).toBe(expected.firstLine);
  for (const [name, value] of expected.headers) expect([name, answer.headers.get(name)]).toEqual([name, value]);
  expect(body.trimEnd()).toMatch(wholly(expected.body));
}

interface HttpText {
  readonly firstLine: string;
  readonly headers: [name: string, value: string][];
  readonly body: string;
}

function parseHttp(text: string): HttpText {
  const [head = "", body = ""] = text.split(/\n\n([\s\S]*)/);
  const [firstLine = "", ...lines] = head.split("\n");
  const headers = lines.map((line): [string, string] => [
    line.slice(0, line.indexOf(":")),
    line.slice(line.indexOf(":") + 1).trim(),
  ]);
  return { firstLine, headers, body };
}

/**
 * Plays a block of lines `PEER > line` (the peer sends), `PEER < line` (it receives; `…` stands for anything), and
 * `publish TOPIC {…}` (a backend publishes).
 * @param open - connects a peer at the first use of its name
 */
export async function playConversation(
  node: TestNode,
  code: string,
  open: (name: string) => Promise<WirePeer>,
): Promise<void> {
  const peers = new Map<string, WirePeer>();
  for (const line of code.split("\n")) {
    if (line.startsWith("publish ")) {
      await publishAs(node, line.slice("publish ".length));
      continue;
    }
    const [, name = "", sign = "", text = ""] = /^(\w+) *([<>]) ?(.*)$/.exec(line) ?? [];
    const peer = peers.get(name) ?? (await open(name));
    peers.set(name, peer);
    if (sign === ">") await peer.send(text);
    else expect(await peer.next()).toMatch(wholly(text));
  }
}

async function publishAs(node: TestNode, text: string): Promise<void> {
  const [topic = ""] = text.split(" ");
  const message = JSON.parse(text.slice(topic.length)) as { readonly payload: string };
  expect(await publish(node, [{ topics: [topic], ...message }])).toMatchObject({ ok: true });
}

/**
 * Encodes the bytes of a line such as "15 08 `informer.List`": hexadecimal digits, and text in backquotes.
 * @throws Error for a word that is neither
 */
export function parseBytes(line: string): Buffer {
  const parts = line.match(/`[^`]*`|\S+/g) ?? [];
  return Buffer.concat(
    parts.map((part) => {
      if (part.startsWith("`")) return Buffer.from(part.slice(1, -1));
      if (!/^(?:[\da-f]{2})+$/.test(part)) throw new Error(`neither hexadecimal nor in backquotes: ${part}`);
      return Buffer.from(part, "hex");
    }),
  );
}

/** Plays a block of lines `> packet` and `< packet` over one connection, with `\\n` and `\\r` for line ends. */
export async function playPackets(url: string, code: string): Promise<void> {
  const client = await connectRaw(url);
  for (const line of code.split("\n")) {
    const packet = line.slice(2).replaceAll("\\n", "\n").replaceAll("\\r", "\r");
    if (line.startsWith("> ")) client.send(packet);
    else expect((await client.bytes(packet.length)).toString()).toBe(packet);
  }
}

function wholly(text: string): RegExp {
  return new RegExp(`^${patternOf(text)}$`);
}
