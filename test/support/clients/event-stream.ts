import { once } from "node:events";
import { get, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { cleanUp } from "../clean-up.js";

/** Event as a client of the standard dispatches it. */
export interface StreamEvent {
  /** `message` unless the server names it. */
  readonly event: string;
  readonly data: string;
  /** Id of the stream after this event. */
  readonly id: string;
}

/** Client of server-sent events that keeps blocks in order until a test reads them. */
export class TestStream {
  readonly response: IncomingMessage;
  /** Resolves when the stream has ended. */
  readonly closed: Promise<void>;
  /** Id that the client would send when it reconnects. */
  lastEventId = "";
  /** Milliseconds after which the client would reconnect. */
  retry = "";
  readonly #blocks: string[] = [];
  #text = "";
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      const blocks = (this.#text + text).split("\n\n");
      this.#text = blocks.pop() ?? "";
      this.#blocks.push(...blocks);
      this.#wake?.();
    });
    response.on("error", () => {
      // The close event follows.
    });
    this.closed = new Promise((resolve) => {
      response.once("close", () => {
        this.#ended = true;
        this.#wake?.();
        resolve();
      });
    });
  }

  /** Returns the next block, without its empty line. Rejects when the stream ends first. */
  async nextBlock(): Promise<string> {
    for (;;) {
      const block = this.#blocks.shift();
      if (block !== undefined) return block;
      if (this.#ended) throw new Error(`the stream has ended; unread: ${JSON.stringify(this.#text)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Returns the next event. Blocks without data only change the id. */
  async next(): Promise<StreamEvent> {
    for (;;) {
      const event = this.#dispatch(await this.nextBlock());
      if (event !== undefined) return event;
    }
  }

  /** Reads the first block, with which a stream begins if nothing is to be told. Returns the id. */
  async begun(): Promise<string> {
    const block = await this.nextBlock();
    if (this.#dispatch(block) !== undefined) throw new Error(`an event: ${block}`);
    return this.lastEventId;
  }

  /** Received blocks that have not been read. */
  get unread(): readonly string[] {
    return this.#blocks;
  }

  #dispatch(block: string): StreamEvent | undefined {
    let event = "message";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const [, name = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (name === "event") event = value;
      else if (name === "data") data.push(value);
      else if (name === "id") this.lastEventId = value;
      else if (name === "retry") this.retry = value;
    }
    return data.length === 0 ? undefined : { event, data: data.join("\n"), id: this.lastEventId };
  }
}

/** Opens a stream; it is closed after the test. Rejects with the status and the body where it is refused. */
export async function openStream(url: string, headers: OutgoingHttpHeaders = {}): Promise<TestStream> {
  const response = await requestStream(url, headers);
  if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${await readBody(response)}`);
  return new TestStream(response);
}

export interface RefusedStream {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Returns the refusal of a stream. */
export async function refusedStream(url: string, headers: OutgoingHttpHeaders = {}): Promise<RefusedStream> {
  const response = await requestStream(url, headers);
  return { status: response.statusCode ?? 0, headers: response.headers, body: await readBody(response) };
}

async function requestStream(url: string, headers: OutgoingHttpHeaders): Promise<IncomingMessage> {
  const request = get(url, { headers, agent: false });
  cleanUp(() => {
    request.destroy();
  });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

async function readBody(response: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return body;
}
