import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Requests } from "./grpc.js";

export interface HttpLoadOptions {
  /** False for a new connection for each request. */
  readonly keepAlive?: boolean;
}

/**
 * Minimal HTTP/1.1 client for POST requests. It accepts bodies with a length, in chunks, or up to the end of the
 * connection. A full client library would cost more than the server under test.
 */
export class HttpLoad {
  readonly #port: number;
  readonly #head: string;
  readonly #keepAlive: boolean;
  readonly #idle: Socket[] = [];
  #connections = 0;

  /** @param headers - headers of all requests, in lower case */
  constructor(
    port: number,
    path: string,
    headers: Readonly<Record<string, string>>,
    { keepAlive = true }: HttpLoadOptions = {},
  ) {
    const all = { host: "127.0.0.1", connection: keepAlive ? "keep-alive" : "close", ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#port = port;
    this.#head = `POST ${path} HTTP/1.1\r\n${lines.join("")}content-length: `;
    this.#keepAlive = keepAlive;
  }

  /**
   * Makes concurrent requests, and calls `onAnswer` with each answer's body.
   * @throws Error for a status other than 2xx
   */
  async send(next: Requests, concurrency: number, onAnswer: (answer: Buffer) => void): Promise<void> {
    const lane = async (): Promise<void> => {
      for (let body = next(); body !== undefined; body = next()) onAnswer(await this.#request(body));
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  }

  close(): void {
    for (const socket of this.#idle.splice(0)) socket.destroy();
  }

  async #request(body: Buffer): Promise<Buffer> {
    const socket = this.#takeIdle() ?? (await this.#connect());
    const answer = readAnswer(socket);
    socket.write(Buffer.concat([Buffer.from(`${this.#head}${body.length}\r\n\r\n`), body]));
    const { status, body: result } = await answer;
    if (this.#keepAlive) this.#idle.push(socket);
    else socket.destroy();
    if (status < 200 || status > 299) throw new Error(`status ${status}: ${result.toString()}`);
    return result;
  }

  /** Servers close connections that have been idle for a while. */
  #takeIdle(): Socket | undefined {
    let socket = this.#idle.pop();
    while (socket?.writable === false) socket = this.#idle.pop();
    return socket;
  }

  async #connect(): Promise<Socket> {
    const socket = connect({ port: this.#port, host: "127.0.0.1", localAddress: this.#nextAddress(), noDelay: true });
    await once(socket, "connect");
    return socket;
  }

  /** Returns the next address to connect from, because the system keeps the port of an ended connection for a minute. */
  #nextAddress(): string {
    this.#connections += 1;
    // Only Linux binds all of 127.0.0.0/8.
    return process.platform === "linux" ? `127.0.0.${2 + (this.#connections % 250)}` : "127.0.0.1";
  }
}

interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

function readAnswer(socket: Socket): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    let data: Buffer = Buffer.alloc(0);
    const finish = (answer: HttpAnswer | undefined, ended: boolean): void => {
      if (answer === undefined && !ended) return;
      socket.removeAllListeners("data").removeAllListeners("close").removeAllListeners("error");
      socket.on("error", () => {});
      if (answer === undefined) reject(new Error("the connection ended before the answer"));
      else resolve(answer);
    };
    socket.on("data", (chunk: Buffer) => {
      data = data.length === 0 ? chunk : Buffer.concat([data, chunk]);
      finish(parseAnswer(data, false), false);
    });
    socket.on("close", () => {
      finish(parseAnswer(data, true), true);
    });
    socket.on("error", () => {});
  });
}

/** Parses an answer. @param ended - whether the connection has ended @returns undefined while it is incomplete */
function parseAnswer(data: Buffer, ended: boolean): HttpAnswer | undefined {
  const end = data.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const head = data.toString("latin1", 0, end + 2).toLowerCase();
  const status = Number(head.slice(9, 12));
  const rest = data.subarray(end + 4);
  const length = /\r\ncontent-length: *(\d+)\r\n/.exec(head)?.[1];
  if (length !== undefined) return rest.length < Number(length) ? undefined : { status, body: rest };
  if (head.includes("\r\ntransfer-encoding: chunked\r\n")) {
    const body = parseChunks(rest);
    return body === undefined ? undefined : { status, body };
  }
  return ended ? { status, body: rest } : undefined;
}

/** @returns undefined while a chunk is missing */
function parseChunks(data: Buffer): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let offset = 0; ; ) {
    const line = data.indexOf("\r\n", offset);
    if (line === -1) return undefined;
    const size = Number.parseInt(data.toString("latin1", offset, line), 16);
    const end = line + 2 + size;
    if (end + 2 > data.length) return undefined;
    if (size === 0) return Buffer.concat(chunks);
    chunks.push(data.subarray(line + 2, end));
    offset = end + 2;
  }
}
