import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/**
 * Connections on which nothing has been asked yet. Browsers and load balancers open them ahead of need; to node they
 * are no idle connections, so a closing server would wait for them.
 */
export class UnusedConnections {
  /** With the bytes that had been read of each before HTTP: of a proxy's header, or a TLS handshake. */
  readonly #sockets = new Map<Duplex, number>();
  /** One function for all connections: it is called with the socket as `this`. */
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

  /** This one is no longer the HTTP server's. */
  release(socket: Duplex): void {
    socket.off("close", this.#forget);
    this.#sockets.delete(socket);
  }

  /** Ends those that have sent nothing. */
  close(): void {
    for (const [socket, before] of this.#sockets) if ((socket as Socket).bytesRead === before) socket.destroy();
  }
}
