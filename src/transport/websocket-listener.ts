import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type ServerOptions, WebSocketServer } from "ws";
import type { MessageIds } from "../core/message.js";
import type { OutboxContext } from "../core/outbox.js";
import { Session } from "../core/session.js";
import type { Dialect } from "../dialects/dialect.js";
import { WEBSOCKET_CLOSE } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";
import { COMPRESSION, withdrawSmallWindows } from "./compression.js";
import { ClientWebSocket, Connection, type ConnectionContext } from "./connection.js";
import { webSocketEncoding } from "./encoding.js";
import type { Heartbeat } from "./heartbeat.js";
import { type ReceiverLimits, receiverLimits } from "./receiver-limits.js";
import { refuseUpgrade } from "./refuse.js";
import { WebSocketSink } from "./websocket-sink.js";

/** How long a peer may take to answer a close frame, in milliseconds; then its connection is cut. */
const CLOSE_TIMEOUT = 3_000;

/** What node reads from a socket at once, and so what may come after a connection has been paused. */
const READ_CHUNK_BYTES = 65_536;

/** What is spoken on a path. */
export interface Route {
  readonly dialect: Dialect;
  readonly vhost: string;
}

export interface WebSocketListenerOptions extends Pick<ConnectionContext, "services" | "fanOut"> {
  /** Dialects by the path that they are spoken on. */
  readonly dialects: ReadonlyMap<string, Route>;
  readonly sessionIds: MessageIds;
  readonly heartbeat: Heartbeat;
  readonly limits: {
    readonly connections: number;
    /** Largest frame of a client, in bytes. */
    readonly frameBytes: number;
  };
  readonly outbox: OutboxContext;
  /** Whether compression is offered. */
  readonly compression: boolean;
  /** Told the code with which a connection was closed: this side's where this side closed it. */
  readonly onClosed: (code: number) => void;
}

/** Makes sessions of the WebSocket clients that the HTTP listener lets through. */
export class WebSocketListener {
  readonly #options: WebSocketListenerOptions;
  readonly #server: WebSocketServer;
  readonly #context: ConnectionContext;
  readonly #open = new Set<Connection>();
  #onDrained: (() => void) | undefined;

  constructor(options: WebSocketListenerOptions) {
    this.#options = options;
    // The library's type definitions lack some of its options.
    const serverOptions: ServerOptions & ReceiverLimits & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: options.compression && COMPRESSION,
      ...receiverLimits(options.limits.frameBytes),
      closeTimeout: CLOSE_TIMEOUT,
      WebSocket: ClientWebSocket,
    };
    this.#server = new WebSocketServer(serverOptions);
    this.#context = {
      services: options.services,
      fanOut: options.fanOut,
      waitingBytes: options.limits.frameBytes + READ_CHUNK_BYTES,
      onClosed: (connection, code) => {
        this.#open.delete(connection);
        if (this.#open.size === 0) this.#onDrained?.();
        connection.watch?.delete(connection);
        const { endedFor } = connection.session;
        options.onClosed(endedFor === undefined ? code : WEBSOCKET_CLOSE[endedFor][0]);
      },
    };
  }

  get connections(): number {
    return this.#open.size;
  }

  /** Takes an upgrade whose origin has been checked. */
  upgrade(request: IncomingMessage, url: URL, socket: Duplex, head: Buffer): void {
    const route = this.#options.dialects.get(url.pathname);
    if (route === undefined) {
      refuseUpgrade(socket, "not_found", `no WebSocket is offered at ${url.pathname}`);
      return;
    }
    if (this.#open.size >= this.#options.limits.connections) {
      refuseUpgrade(socket, "unavailable", "this node has as many connections as it may have");
      return;
    }
    withdrawSmallWindows(request);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#accept(webSocket as ClientWebSocket, socket, route, url.searchParams);
    });
  }

  /** Resolves when every connection is gone. */
  drained(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    const { promise, resolve } = withResolvers<void>();
    this.#onDrained = resolve;
    return promise;
  }

  /** Cuts the connections that are left. */
  terminate(): void {
    for (const { webSocket } of this.#open) webSocket.terminate();
  }

  #accept(webSocket: ClientWebSocket, socket: Duplex, { dialect, vhost }: Route, query: URLSearchParams): void {
    const { heartbeat, outbox, services, sessionIds } = this.#options;
    const conversation = dialect.open({ query });
    const session = new Session({
      id: sessionIds.next(),
      vhost,
      encoding: webSocketEncoding(conversation.encoding, webSocket.extensions !== ""),
      sink: new WebSocketSink(webSocket, socket),
      outbox,
    });
    const connection = new Connection(webSocket, session, conversation, this.#context);
    this.#open.add(connection);
    services.hub.add(session);
    connection.watch = heartbeat.add(connection);
  }
}
