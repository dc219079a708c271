import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import type { MessageIds } from "../core/message.js";
import type { OutboxContext } from "../core/outbox.js";
import { Session } from "../core/session.js";
import type { Dialect } from "../dialects/dialect.js";
import { COMPRESSION, withdrawSmallWindows } from "./compression.js";
import { Connection, type ConnectionContext } from "./connection.js";
import { webSocketEncoding } from "./encoding.js";
import type { Heartbeat } from "./heartbeat.js";
import { type ReceiverLimits, receiverLimits } from "./receiver-limits.js";
import { refuseUpgrade } from "./refuse.js";
import { WebSocketSink } from "./websocket-sink.js";

/** How long a peer may take to answer a close frame, in milliseconds; then its connection is cut. */
const CLOSE_TIMEOUT = 3_000;

export interface WebSocketListenerOptions extends ConnectionContext {
  /** Dialects by the path that they are spoken on. */
  readonly dialects: ReadonlyMap<string, { readonly dialect: Dialect; readonly vhost: string }>;
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
  readonly onClosed: (code: number) => void;
}

/** Makes sessions of the WebSocket clients that the HTTP listener lets through. */
export class WebSocketListener {
  readonly #options: WebSocketListenerOptions;
  readonly #server: WebSocketServer;
  readonly #open = new Set<WebSocket>();

  constructor(options: WebSocketListenerOptions) {
    this.#options = options;
    // The library's type definitions lack some of its options.
    const serverOptions: ServerOptions & ReceiverLimits & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: options.compression && COMPRESSION,
      ...receiverLimits(options.limits.frameBytes),
      closeTimeout: CLOSE_TIMEOUT,
    };
    this.#server = new WebSocketServer(serverOptions);
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
      this.#accept(webSocket, socket, route.dialect, route.vhost, url);
    });
  }

  /** Resolves when every connection is gone. */
  async drained(): Promise<void> {
    const gone = [...this.#open].map(
      (webSocket) => new Promise<void>((resolve) => webSocket.once("close", () => resolve())),
    );
    await Promise.all(gone);
  }

  /** Cuts the connections that are left. */
  terminate(): void {
    for (const webSocket of this.#open) webSocket.terminate();
  }

  #accept(webSocket: WebSocket, socket: Duplex, dialect: Dialect, vhost: string, url: URL): void {
    const { fanOut, heartbeat, onClosed, outbox, services, sessionIds } = this.#options;
    const conversation = dialect.open({ query: url.searchParams });
    const session = new Session({
      id: sessionIds.next(),
      vhost,
      encoding: webSocketEncoding(conversation.encoding, webSocket.extensions !== ""),
      sink: new WebSocketSink(webSocket, socket),
      outbox,
    });
    const connection = new Connection(webSocket, session, conversation, { services, fanOut });
    this.#open.add(webSocket);
    services.hub.add(session);
    const unwatch = heartbeat.add(connection);
    webSocket.on("error", ignoreProtocolError);
    webSocket.once("close", (code) => {
      unwatch();
      this.#open.delete(webSocket);
      services.hub.remove(session);
      onClosed(code);
    });
  }
}

/** The library answers a violation of the protocol with the close code for it; the close event then tells. */
function ignoreProtocolError(): void {}
