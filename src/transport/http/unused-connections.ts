import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/**
 * Connections without a request so far. Browsers and load balancers open them in advance. Node does not count them as
 * idle, so a closing server would wait for them.
 */
export class UnusedConnections {
  /** Bytes of each socket that were read before HTTP (a proxy header, a TLS handshake). */
  readonly #sockets = new Map<Duplex, number>();
  /** Shared listener of all connections, called with the socket as `this`. */
  readonly #forget: (this: Duplex) => void;

  constructor(server: Server) {
    const sockets = this.#sockets;
    this.#forget = function forget() {
      sockets.delete(this);
    };
    server.on("connection", (socket: Socket) => {
      sockets.set(socket, socket.bytesRead - socket.readableLength);
      socket.once("close", this.#forget);
    });
  }

  /** Stops tracking a socket that the HTTP server has handed over. */
  release(socket: Duplex): void {
    socket.off("close", this.#forget);
    this.#sockets.delete(socket);
  }

  /** Closes the connections that have sent nothing. */
  close(): void {
    for (const [socket, before] of this.#sockets) if ((socket as Socket).bytesRead === before) socket.destroy();
  }
}
