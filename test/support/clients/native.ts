import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type ClientOptions, WebSocket } from "ws";
import { cleanUp } from "../clean-up.js";

/** Parsed frame of the native dialect. */
export interface NativeFrame {
  readonly topic: string;
  readonly payload: unknown;
  readonly id?: string | number;
  readonly event?: string;
  readonly time?: string;
  readonly encoding?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Plain WebSocket client that keeps frames in order until a test reads them. */
export class TestClient {
  readonly webSocket: WebSocket;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #frames: string[] = [];
  readonly #waiters: { readonly resolve: (frame: string) => void; readonly reject: (cause: Error) => void }[] = [];
  #ended = false;

  constructor(webSocket: WebSocket) {
    this.webSocket = webSocket;
    this.closed = new Promise((resolve) => {
      webSocket.once("close", (code, reason) => {
        this.#ended = true;
        const cause = new Error("the connection ended while a frame was waited for");
        for (const { reject } of this.#waiters.splice(0)) reject(cause);
        resolve({ code, reason: reason.toString() });
      });
    });
    webSocket.on("error", () => {
      // The close event follows.
    });
    webSocket.on("message", (data: Buffer) => {
      const text = data.toString("utf8");
      const waiter = this.#waiters.shift();
      if (waiter === undefined) this.#frames.push(text);
      else waiter.resolve(text);
    });
  }

  /** Sends an object as JSON, or a text unchanged. */
  send(command: object | string): void {
    this.webSocket.send(typeof command === "string" ? command : JSON.stringify(command));
  }

  /** Sends a binary frame. */
  sendBytes(bytes: Buffer): void {
    this.webSocket.send(bytes);
  }

  /** Returns the next frame, byte for byte. Rejects when the connection ends first. */
  nextText(): Promise<string> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#ended) return Promise.reject(new Error("the connection has ended"));
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  async next(): Promise<NativeFrame> {
    return JSON.parse(await this.nextText()) as NativeFrame;
  }

  /** Sends a command and returns the next frame. */
  async ask(command: object): Promise<NativeFrame> {
    this.send(command);
    return this.next();
  }

  /** Joins topics and reads the answer. */
  async join(...topics: string[]): Promise<void> {
    const answer = await this.ask({ command: "join", topics, id: "join" });
    if (answer.topic !== "@join") throw new Error(`not joined: ${JSON.stringify(answer)}`);
  }

  /** Received frames that have not been read. */
  get unread(): readonly string[] {
    return this.#frames;
  }
}

/** Connects to a WebSocket URL; the connection is closed after the test. */
export async function connect(
  url: string,
  options: ClientOptions = {},
  protocols: readonly string[] = [],
): Promise<TestClient> {
  const webSocket = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...options });
  const client = new TestClient(webSocket);
  cleanUp(async () => {
    webSocket.terminate();
    await client.closed;
  });
  await once(webSocket, "open");
  return client;
}

export interface RefusedUpgrade {
  readonly status: number;
  readonly body: string;
}

/** Returns the status and body of a refused upgrade. */
export async function refusedUpgrade(
  url: string,
  options: ClientOptions = {},
  protocols: readonly string[] = [],
): Promise<RefusedUpgrade> {
  const { body, status } = await wholeRefusal(url, options, protocols);
  return { status, body };
}

export interface WholeRefusal extends RefusedUpgrade {
  readonly headers: IncomingMessage["headers"];
}

/** Returns the status, headers and body of a refused upgrade. */
export async function wholeRefusal(
  url: string,
  options: ClientOptions = {},
  protocols: readonly string[] = [],
): Promise<WholeRefusal> {
  const refusal = await tryUpgrade(url, options, protocols);
  if (refusal === undefined) throw new Error(`the upgrade to ${url} was admitted`);
  return refusal;
}

/** Repeats an upgrade until it is refused, where a rate may admit some. */
export async function untilRefused(url: string, options: ClientOptions = {}): Promise<WholeRefusal> {
  for (;;) {
    const refusal = await tryUpgrade(url, options);
    if (refusal !== undefined) return refusal;
  }
}

/** Requests an upgrade. Returns its refusal, or undefined when it was admitted. */
async function tryUpgrade(
  url: string,
  options: ClientOptions,
  protocols: readonly string[] = [],
): Promise<WholeRefusal | undefined> {
  const webSocket = new WebSocket(url, [...protocols], options);
  cleanUp(() => webSocket.terminate());
  webSocket.on("error", () => {
    // The refusal is the expected result.
  });
  const refused = once(webSocket, "unexpected-response") as Promise<[unknown, IncomingMessage]>;
  const first = await Promise.race([refused, once(webSocket, "open").then((): undefined => undefined)]);
  if (first === undefined) {
    webSocket.terminate();
    return undefined;
  }
  const [, response] = first;
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}
