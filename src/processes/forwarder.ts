import { rm } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse, request as sendRequest } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setPeerAddress } from "../net/peer-address.js";
import { encodeProxyHeader, readProxyHeader } from "../net/proxy-header.js";
import { ignore } from "../util/ignore.js";
import type { Siblings } from "./siblings.js";

/** Time in which another process sends the header of a connection, in milliseconds. */
const HEADER_TIMEOUT = 10_000;

/** Headers of one connection. Source: RFC 9110 §7.6.1. */
const HOP_BY_HOP: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding"]);

export interface ForwarderOptions {
  readonly siblings: Siblings;
  /** Returns the number of the process to which a request belongs; undefined for any. */
  readonly ownerOf: (request: IncomingMessage) => number | undefined;
  /** Takes a connection with requests for this process. */
  readonly onConnection: (socket: Socket) => void;
}

/**
 * Passes on requests that belong to a session of another process of this machine, over a Unix socket for each request. It
 * begins with a PROXY header, so that the other process knows the client's address.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #server: Server;
  /** Connections of other processes, whose requests are not passed on again. */
  readonly #arrived = new WeakSet<Duplex>();
  readonly #open = new Set<Socket>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#accept(socket);
    });
  }

  /** Takes the requests that other processes pass on. @throws Error of node:net */
  async listen(): Promise<void> {
    const { siblings } = this.#options;
    const path = siblings.socketOf(siblings.number);
    // A killed process leaves its socket behind.
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      // Otherwise node:cluster would let the primary process listen.
      this.#server.listen({ path, exclusive: true }, resolve);
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
  }

  /** Passes a request on. @returns false when it belongs to this process */
  request(request: IncomingMessage, response: ServerResponse): boolean {
    const path = this.#findSocket(request, request.socket);
    if (path === undefined) return false;
    const passed = sendRequest({
      createConnection: () => connectTo(path, request.socket),
      method: request.method ?? "GET",
      path: request.url ?? "/",
      headers: withoutConnection(request.rawHeaders),
      setHost: false,
    });
    passed.once("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? "", withoutConnection(answer.rawHeaders));
      answer.pipe(response);
      answer.once("error", () => response.destroy());
    });
    passed.once("error", () => {
      if (response.headersSent) response.destroy();
      else refuse(response);
    });
    response.once("close", () => passed.destroy());
    request.pipe(passed);
    return true;
  }

  /** Passes an upgrade on. @returns false when it belongs to this process */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const path = this.#findSocket(request, socket);
    if (path === undefined) return false;
    const passed = connectTo(path, request.socket);
    // Node.js reads headers as Latin-1.
    passed.write(formatHead(request), "latin1");
    if (head.length > 0) passed.write(head);
    for (const [one, other] of [
      [socket, passed],
      [passed, socket],
    ] as const) {
      one.on("error", () => other.destroy());
      one.once("close", () => other.destroy());
      one.pipe(other);
    }
    return true;
  }

  /** Finds the socket of the process to which a request belongs; undefined for this process. */
  #findSocket(request: IncomingMessage, socket: Duplex): string | undefined {
    const { ownerOf, siblings } = this.#options;
    if (this.#arrived.has(socket)) return undefined;
    const owner = ownerOf(request);
    if (owner === undefined || owner === siblings.number || !siblings.has(owner)) return undefined;
    return siblings.socketOf(owner);
  }

  #accept(socket: Socket): void {
    socket.on("error", ignore);
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    readProxyHeader(socket, HEADER_TIMEOUT, (peer) => {
      if (peer === undefined) {
        socket.destroy();
        return;
      }
      if (peer !== "local") setPeerAddress(socket, peer);
      this.#arrived.add(socket);
      this.#options.onConnection(socket);
    });
  }
}

function connectTo(path: string, { remoteAddress, remotePort }: Socket): Socket {
  const socket = connect(path);
  socket.write(encodeProxyHeader({ address: remoteAddress ?? "", port: remotePort ?? 0 }));
  return socket;
}

/** Answers as the library does for a connection that no longer exists, so that clients connect anew. */
function refuse(response: ServerResponse): void {
  response.writeHead(400, { "content-type": "application/json" });
  response.end('{"code":1,"message":"Session ID unknown"}');
}

function formatHead({ method, rawHeaders, url }: IncomingMessage): string {
  const lines = Array.from({ length: rawHeaders.length / 2 }, (_, index) => {
    const [name = "", value = ""] = rawHeaders.slice(index * 2, index * 2 + 2);
    return `${name}: ${value}\r\n`;
  });
  return `${method} ${url} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** Removes the headers that concern the connection. */
function withoutConnection(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_text, index) => !HOP_BY_HOP.has((rawHeaders[index - (index % 2)] ?? "").toLowerCase()));
}
