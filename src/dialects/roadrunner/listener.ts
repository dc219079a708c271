import type { Socket } from "node:net";
import type { Clock } from "../../core/ports.js";
import { LocalListener, type LocalListenerLimits } from "../../net/local-listener.js";
import type { ListenUrl } from "../../util/listen-url.js";
import { RoadRunnerConnection, type RoadRunnerContext } from "./connection.js";

/**
 * Interval between checks for connections with an incomplete frame or unread answers, in milliseconds. A connection without
 * progress between two consecutive checks is cut.
 */
const SWEEP_INTERVAL = 30_000;
/** Milliseconds without a packet before TCP keep-alive probes begin. */
const KEEP_ALIVE = 60_000;

export interface RoadRunnerListenerOptions extends RoadRunnerContext {
  readonly url: ListenUrl;
  readonly clock: Clock;
  /** Maximum number of concurrent connections. A further one is closed at once. */
  readonly connections: number;
  /** Limits of its connections, in addition to their number. */
  readonly bounds?: LocalListenerLimits;
}

/** Listener for PHP applications that publish to one vhost by RoadRunner's RPC (rules G1 to G9). */
export class RoadRunnerListener {
  readonly #options: RoadRunnerListenerOptions;
  readonly #listener: LocalListener;
  readonly #connections = new Set<RoadRunnerConnection>();
  /** Connections that were stalled at the last sweep, with their progress at that time. */
  #stalled = new Map<RoadRunnerConnection, number>();
  #cancelSweep: (() => void) | undefined;
  #closing = false;

  constructor(options: RoadRunnerListenerOptions) {
    this.#options = options;
    this.#listener = new LocalListener(options.url, (socket) => this.#accept(socket), options.bounds);
  }

  /**
   * @returns the URL, such as `tcp://127.0.0.1:6002`
   * @throws Error of node:net, such as EADDRINUSE
   */
  listen(): Promise<string> {
    return this.#listener.listen();
  }

  /** Stops accepting connections and requests. Resolves when the pending requests are answered. */
  async close(): Promise<void> {
    this.#closing = true;
    const closed = this.#listener.close();
    for (const connection of this.#connections) connection.close();
    await closed;
  }

  /** Cuts the connections. */
  terminate(): void {
    void this.#listener.close();
    for (const connection of this.#connections) connection.terminate();
  }

  #accept(socket: Socket): void {
    if (this.#closing || this.#connections.size >= this.#options.connections) {
      socket.destroy();
      return;
    }
    socket.setKeepAlive(true, KEEP_ALIVE);
    const connection = new RoadRunnerConnection(socket, this.#options, () =>
      this.#options.bounds?.pending?.settle(socket),
    );
    this.#connections.add(connection);
    this.#cancelSweep ??= this.#options.clock.after(SWEEP_INTERVAL, this.#sweep);
    socket.once("close", () => {
      this.#connections.delete(connection);
      this.#stalled.delete(connection);
      if (this.#connections.size > 0) return;
      this.#cancelSweep?.();
      this.#cancelSweep = undefined;
    });
  }

  /** Cuts stalled connections. One timer serves all connections. */
  readonly #sweep = (): void => {
    const stalled = new Map<RoadRunnerConnection, number>();
    for (const connection of this.#connections) {
      if (!connection.stalled) continue;
      if (this.#stalled.get(connection) === connection.progress) connection.terminate();
      else stalled.set(connection, connection.progress);
    }
    this.#stalled = stalled;
    this.#cancelSweep = this.#options.clock.after(SWEEP_INTERVAL, this.#sweep);
  };
}
