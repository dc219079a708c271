import type { Socket } from "node:net";
import { PortListener, type PortOptions } from "../../../net/port-listener.js";
import type { Address } from "../../../util/address.js";
import { ignore } from "../../../util/ignore.js";
import { BackendConnection, type BackendConnectionContext } from "./connection.js";
import { packetText } from "./packet.js";

export interface WebrocketBackendOptions extends BackendConnectionContext {
  readonly port: PortOptions;
  /** Maximum number of concurrent connections. A further one is answered with 503. */
  readonly connections: number;
}

/** TCP port for WebRocket's backends: clients with one request each, and workers. */
export class WebrocketBackend {
  readonly #options: WebrocketBackendOptions;
  readonly #port: PortListener;
  readonly #connections = new Set<BackendConnection>();
  #closing = false;

  constructor(options: WebrocketBackendOptions) {
    this.#options = options;
    this.#port = new PortListener({
      ...options.port,
      // Clients of this protocol do not use ALPN.
      alpn: "http/1.1",
      allowHalfOpen: true,
      onConnection: (socket) => {
        this.#accept(socket);
      },
    });
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * @returns the address, with the actual port if port 0 was configured
   * @throws Error of node:net, such as EADDRINUSE
   */
  listen(): Promise<Address> {
    return this.#port.listen();
  }

  /**
   * Stops accepting connections and tasks. Resolves when pending requests are answered and workers have completed their
   * tasks.
   */
  async close(): Promise<void> {
    this.#closing = true;
    const closed = this.#port.close();
    for (const connection of this.#connections) connection.close();
    await closed;
  }

  /** Cuts the connections. */
  terminate(): void {
    this.#port.terminate();
    for (const connection of this.#connections) connection.terminate();
  }

  #accept(socket: Socket): void {
    if (this.#closing || this.#connections.size >= this.#options.connections) {
      // Errors are ignored, because the socket is closed anyway.
      socket.on("error", ignore);
      socket.end(packetText("ER", "503"), () => socket.destroy());
      return;
    }
    const connection = new BackendConnection(socket, this.#options, () => this.#port.settle(socket));
    this.#connections.add(connection);
    socket.once("close", () => {
      this.#connections.delete(connection);
    });
  }
}
