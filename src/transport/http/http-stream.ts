import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { runOnceDrained } from "../run-once-drained.js";

/** Sockets whose current request is for a stream. */
const claimed = new WeakSet<Duplex>();

/**
 * Claims the connection of a response for a stream, until the response has ended. The stream announces the end of the
 * connection, so a further request on it must not be processed (RFC 9112 §9.6): it would wait for as long as the stream lasts.
 */
export function claimConnection(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null) return;
  claimed.add(socket);
  response.once("close", () => claimed.delete(socket));
}

/** Whether the connection is claimed for a stream. */
export function isClaimed(socket: Duplex): boolean {
  return claimed.has(socket);
}

/**
 * Response that lasts until either side ends it. Its body has no length and no chunks: it ends with the connection. So clients
 * of HTTP/1.0 can read it, and all clients get the same bytes, which are written directly to the socket.
 */
export class HttpStream {
  readonly #response: ServerResponse;
  #socket: Duplex | undefined;
  #onOpened: (() => void) | undefined;

  /** @param response - the only response in progress on its connection */
  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  /** Bytes that the connection has not accepted yet; infinity until the stream is opened, so that nothing is written before. */
  get backlog(): number {
    return this.#socket?.writableLength ?? Number.POSITIVE_INFINITY;
  }

  /** Sends the head and the first bytes in one write. Does nothing where the client has disconnected. */
  open(headers: OutgoingHttpHeaders, first: Uint8Array): void {
    const response = this.#response;
    const { socket } = response;
    if (socket === null || !socket.writable) return;
    // Otherwise the body would be chunked.
    response.removeHeader("transfer-encoding");
    response.writeHead(200, { ...headers, connection: "close" });
    socket.cork();
    response.flushHeaders();
    socket.write(first);
    socket.uncork();
    this.#socket = socket;
    if (this.#onOpened !== undefined) runOnceDrained(socket, this.#onOpened);
  }

  write(bytes: Uint8Array): void {
    if (this.#socket?.writable === true) this.#socket.write(bytes);
  }

  writeAll(pieces: readonly Uint8Array[]): void {
    const socket = this.#socket;
    if (socket?.writable !== true) return;
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
  }

  onceDrained(run: () => void): void {
    if (this.#socket === undefined) this.#onOpened = run;
    else runOnceDrained(this.#socket, run);
  }

  /** Ends the stream after the bytes written so far. */
  end(last: Uint8Array): void {
    this.write(last);
    this.#socket = undefined;
    this.#onOpened = undefined;
    this.#response.end();
  }

  /** Cuts the connection. */
  cut(): void {
    this.#response.destroy();
  }
}
