import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { configuredKey } from "../../support/backends/backend.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

export const SERVICE = "/websockets.v1.BroadcastService";
export const PUBLISH = `${SERVICE}/Publish`;

export type Headers = Readonly<Record<string, string>>;

export interface Posted {
  readonly path: string;
  readonly headers: Headers;
  readonly body: Buffer;
  readonly method?: string;
}

/** Key with all rights on the topic `a` and others, and one that may only publish on `b`. */
const KEYS = [
  configuredKey("all", { name: "all", actions: ["*"] }),
  configuredKey("scoped", { name: "scoped", actions: ["publish"], topics: ["b"] }),
  configuredKey("watcher", { name: "watcher", actions: ["connections"] }),
];
export const ALL: Headers = { authorization: "Bearer all" };

/** Largest request. */
export const LIMIT = 150_000;

/** Sends requests in both ways, and collects what they cause. */
export class BothWays {
  readonly #node: TestNode;
  readonly #listener: TestClient;
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(node: TestNode, listener: TestClient) {
    this.#node = node;
    this.#listener = listener;
    cleanUp(() => this.#agent.destroy());
  }

  static async start(): Promise<BothWays> {
    const node = await startNode({
      limits: { request: LIMIT, payload: LIMIT / 2 },
      origins: ["https://allowed.example"],
      vhosts: { "/": { keys: KEYS } },
    });
    const listener = await connect(`${node.ws}/ws?meta=1`);
    await listener.join("a", "b", "end");
    return new BothWays(node, listener);
  }

  /** Sends a request as it is, and once more in a form that only connect-es serves: another case of the media type. */
  async send(posted: Posted): Promise<{ readonly direct: unknown; readonly universal: unknown }> {
    const { "content-type": type = "" } = posted.headers;
    const other = { ...posted.headers, "content-type": type.replace("application", "Application") };
    return { direct: await this.#run(posted), universal: await this.#run({ ...posted, headers: other }) };
  }

  async #run(posted: Posted): Promise<unknown> {
    const answer = await this.#post(posted);
    const end = { path: PUBLISH, headers: { ...ALL, "content-type": "application/json; charset=utf-8" } };
    await this.#post({ ...end, body: Buffer.from('{"messages":[{"topics":["end"]}]}') });
    const received: unknown[] = [];
    for (let frame = await this.#listener.next(); frame.topic !== "end"; frame = await this.#listener.next()) {
      received.push({ ...frame, time: undefined, id: hideGenerated(String(frame.id)) });
    }
    return { ...answer, received };
  }

  async #post({ body, headers, method = "POST", path }: Posted): Promise<object> {
    const request = httpRequest(`${this.#node.http}${path}`, { agent: this.#agent, method, headers });
    request.end(method === "POST" ? body : undefined);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const sent = await buffer(response);
    const { "content-encoding": encoding, "content-length": length, date: _, ...others } = response.headers;
    // Some refusals are sent in chunks.
    if (Number(length ?? sent.length) !== sent.length) throw new Error(`${length} is not the length of the body`);
    return { status: response.statusCode, encoding, others, body: hideGenerated(decompress(sent, encoding)) };
  }
}

/** Replaces generated ids: a prefix, a dash and a count. Texts of these tests do not have this form. */
function hideGenerated(text: string): string {
  return text.replaceAll(/[0-9a-z]{8,}-[0-9a-z]+/g, "GENERATED");
}

function decompress(bytes: Buffer, encoding: string | undefined): string {
  if (encoding === "gzip") return gunzipSync(bytes).toString("latin1");
  return (encoding === "br" ? brotliDecompressSync(bytes) : bytes).toString("latin1");
}
