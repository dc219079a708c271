import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Task } from "../../../gen/carillon/v1/worker_pb.js";
import type { ConfigInput } from "../../../src/index.js";
import { publish } from "../backends/publish.js";
import { startWorker, type TestWorker } from "../backends/worker.js";
import { startNode, type TestNode } from "../nodes/node.js";
import { connect, type TestClient } from "./native.js";

/**
 * Golden transcript: the frames on the wire, line by line.
 *
 *     # W2: the title, beginning with the rule
 *     config {"limits":{"topics_per_connection":2}}     the node's configuration
 *     open /ws?meta=1                                   the client connects (default: to /ws)
 *     > {"command":"join","topics":["foo"]}             the client sends a text frame
 *     >> deadbeef                                       the client sends a binary frame, in hexadecimal
 *     < {"topic":"@join","payload":["foo"]}             the server's next frame, byte for byte
 *     publish foo {"payload":"hi","event":"e"}          a backend publishes; "hex" instead of "payload" for bytes
 *     closed 1008 too many malformed frames             the server has closed
 *     worker chat/* sum                                 a worker for these events registers
 *     task {"event":"sum","payload":"1+1"}              it gets a task with these fields
 *     answer 2                                          it answers its last task; "part" if more follows,
 *     answer-hex ff                                     in hexadecimal
 *     fail not_found no such thing                      it fails its last task
 *
 * `{{word}}` in a line is replaced by a value of the dialect's test, such as a token. At the end, a command sent as a sentinel
 * ensures that no frame is unread. In `<` lines `<time>` stands for any time,
 * `<connection>` for the id of any connection, and `<position>` for any position. In `>` lines `<position>` is the position
 * received last.
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

export async function playTranscript({ lines: written }: Transcript, speech: Speech = NATIVE_SPEECH): Promise<void> {
  const config = written.find((line) => line.startsWith("config "))?.slice("config ".length);
  const node = await startNode((config === undefined ? (speech.config ?? {}) : JSON.parse(config)) as ConfigInput);
  const words = (await speech.words?.(node)) ?? {};
  const lines = written.map((line) => line.replaceAll(/\{\{([^}]+)\}\}/g, (_all, word: string) => words[word] ?? word));
  const path = lines.find((line) => line.startsWith("open "))?.slice("open ".length) ?? speech.path(words);
  const client = await (speech.connect?.(node, path) ?? connect(node.ws + path));
  const stage: Stage = { client, node, speech, worker: undefined, task: undefined, position: "" };
  let closed = false;
  for (const line of lines) {
    const space = line.indexOf(" ");
    const [verb, rest] = [line.slice(0, space), line.slice(space + 1)];
    if (verb === "closed") closed = true;
    await play(verb, rest, stage);
  }
  if (!closed) {
    client.send(speech.sentinel.send);
    expect(await client.nextText()).toMatch(speech.sentinel.answer);
  }
  expect(client.unread).toEqual([]);
}

/** Settings for playing a dialect's transcripts. */
export interface Speech {
  /** Configuration of the node, unless a transcript sets it. */
  readonly config?: ConfigInput;
  /** Path of the client, unless a transcript sets it. */
  readonly path: (words: Readonly<Record<string, string>>) => string;
  /** Connects a client of a dialect without WebSockets. Default: a WebSocket. */
  readonly connect?: (node: TestNode, path: string) => Promise<TranscriptClient>;
  /** Values of `{{word}}` in lines, such as a token. */
  readonly words?: (node: TestNode) => Promise<Readonly<Record<string, string>>>;
  /** Frame sent at the end, and a text of its answer; no other frame may arrive before. */
  readonly sentinel: { readonly send: string; readonly answer: RegExp };
  /** Replaces variable parts of a frame by the placeholders of the line, such as `<id>`. */
  readonly mask?: (text: string, like: string) => string;
}

/** Client of a transcript, whose frames are texts. */
export interface TranscriptClient extends Pick<TestClient, "closed" | "nextText" | "unread"> {
  /** Sends a frame, or the sentinel. */
  send(text: string): void;
  readonly sendBytes?: (bytes: Buffer) => void;
}

/** Settings for playing the native dialect's transcripts. */
export const NATIVE_SPEECH: Speech = {
  path: () => "/ws",
  sentinel: { send: '{"command":"join","topics":["sentinel"],"id":"sentinel"}', answer: /@join.*sentinel/ },
};

interface Stage {
  readonly client: TranscriptClient;
  readonly node: TestNode;
  readonly speech: Speech;
  worker: TestWorker | undefined;
  /** Latest task of the worker. */
  task: Task | undefined;
  /** Position received last; "" for none. */
  position: string;
}

async function play(verb: string, rest: string, stage: Stage): Promise<void> {
  const { client, node } = stage;
  switch (verb) {
    case "config":
    case "open":
      return;
    case ">":
      client.send(rest.replaceAll("<position>", stage.position));
      return;
    case ">>":
      client.sendBytes?.(Buffer.from(rest, "hex"));
      return;
    case "<": {
      const text = maskPositions(await client.nextText(), rest, stage);
      expect(masked(stage.speech.mask?.(text, rest) ?? text, rest)).toBe(rest);
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
      expect(`${code} ${reason}`.trimEnd()).toBe(rest.trimEnd());
      return;
    }
    case "worker":
      stage.worker = await startWorker(node, rest.split(" "));
      return;
    default:
      await work(verb, rest, stage);
  }
}

async function work(verb: string, rest: string, stage: Stage): Promise<void> {
  const { task, worker } = stage;
  if (worker === undefined) throw new Error(`no worker for the transcript's ${JSON.stringify(verb)}`);
  if (verb === "task") {
    const { payload, ...next } = (stage.task = await worker.tasks.next());
    expect({ ...next, payload: Buffer.from(payload).toString() }).toMatchObject(JSON.parse(rest) as object);
    return;
  }
  if (task === undefined) throw new Error("the worker has not received a task");
  const [word = "", ...words] = rest.split(" ");
  if (verb === "answer" || verb === "part") worker.answer(task, rest, verb === "part");
  else if (verb === "answer-hex") worker.answer(task, Buffer.from(rest, "hex"));
  else if (verb === "fail") worker.fail(task, word, words.join(" "));
  else throw new Error(`unknown verb in a transcript: ${JSON.stringify(verb)}`);
}

/** Replaces positions by the placeholder, and keeps the last one for the client's next command. */
function maskPositions(text: string, like: string, stage: Stage): string {
  if (!like.includes("<position>")) return text;
  return text.replaceAll(/"positions?":(?:"[^"]*"|\{[^}]*\})/g, (member) =>
    member.replaceAll(/:"([\w.-]{1,64})"/g, (_all, position: string) => {
      stage.position = position;
      return ':"<position>"';
    }),
  );
}

function masked(text: string, like: string): string {
  const timeless = like.includes("<time>") ? text.replace(/"\d{4}-[\d-]+T[\d:]+\.\d{3}Z"/, '"<time>"') : text;
  return like.includes("<connection>")
    ? timeless.replaceAll(/"connection":"[\da-f]{12}\.[\da-z]+"/g, '"connection":"<connection>"')
    : timeless;
}
