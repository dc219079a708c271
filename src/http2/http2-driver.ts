import type { Socket } from "node:net";
import { HTTP2_LIMITS, type Http2Limits } from "./http2-limits.js";
import type { ReadHead } from "./request-heads.js";
import { type ConnectionTimes, ServedConnection, type ServedHandlers } from "./served-connection.js";

/** Number of checks within the shortest time, and bounds of the interval between them in milliseconds. */
const CHECKS = 4;
const MIN_INTERVAL = 10;
const MAX_INTERVAL = 1_000;

export interface Http2DriverOptions<Head> {
  readonly limits?: Http2Limits;
  readonly times: ConnectionTimes;
  /** See {@link Http2ConnectionOptions.readHead}. */
  readonly readHead: ReadHead<Head>;
  /** Receives errors of this server. */
  readonly onFault: (cause: unknown) => void;
}

/** Serves HTTP/2 on sockets. Everything that all connections answer in one turn of the event loop leaves in one write for each. */
export class Http2Driver<Head> {
  readonly #options: Http2DriverOptions<Head>;
  readonly #limits: Http2Limits;
  readonly #interval: number;
  readonly #connections = new Set<ServedConnection<Head>>();
  /** Connections with output that was not made while they received. */
  #unsent: ServedConnection<Head>[] = [];
  #timer: NodeJS.Timeout | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: Http2DriverOptions<Head>) {
    this.#options = options;
    this.#limits = options.limits ?? HTTP2_LIMITS;
    const shortest = Math.min(...Object.values<number>({ ...options.times }));
    this.#interval = Math.max(MIN_INTERVAL, Math.min(MAX_INTERVAL, shortest / CHECKS));
  }

  /** Number of connections. */
  get size(): number {
    return this.#connections.size;
  }

  /** Serves a connection from its first byte on. The socket belongs to the driver. */
  serve(socket: Socket, handlers: ServedHandlers<Head>): void {
    const { onFault, readHead, times } = this.#options;
    const connection = new ServedConnection<Head>(socket, {
      limits: this.#limits,
      times,
      readHead,
      handlers,
      onFault,
      onUnsent: (unsent) => this.#sendLater(unsent),
      onClose: (closed) => this.#remove(closed),
    });
    this.#connections.add(connection);
    this.#timer ??= setInterval(this.#check, this.#interval).unref();
    connection.start();
  }

  /** Ends all connections once their calls are answered. Resolves when they are closed. */
  async close(): Promise<void> {
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      const before = this.#onEmpty;
      this.#onEmpty = () => {
        before?.();
        resolve();
      };
      for (const connection of this.#connections) connection.shutDown();
    });
  }

  /** Ends all connections at once. */
  terminate(): void {
    for (const connection of this.#connections) connection.terminate();
  }

  #sendLater(connection: ServedConnection<Head>): void {
    if (this.#unsent.push(connection) === 1) setImmediate(this.#send);
  }

  readonly #send = (): void => {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const connection of unsent) connection.flush();
  };

  readonly #check = (): void => {
    const now = performance.now();
    for (const connection of this.#connections) connection.check(now);
  };

  #remove(connection: ServedConnection<Head>): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#onEmpty?.();
    this.#onEmpty = undefined;
  }
}
