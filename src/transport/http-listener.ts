import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { PortListener, type PortOptions } from "../net/port-listener.js";
import type { Address } from "../util/address.js";
import { allowOrigin, answerPreflight } from "./cors.js";
import type { HostCheck } from "./host.js";
import { asksForWebSocket, ignoreUpgrade } from "./ignore-upgrade.js";
import type { OriginCheck } from "./origin.js";
import { refuseRequest, refuseUpgrade } from "./refuse.js";
import { requestUrl } from "./request-url.js";
import { SilentConnections } from "./silent-connections.js";

const HEADERS_TIMEOUT = 60_000;

/** Misdirected Request: the server is not the one that the request is meant for (RFC 9110 §15.5.20). */
const MISDIRECTED = 421;

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpListenerOptions extends PortOptions {
  readonly originAllowed: OriginCheck;
  /** Milliseconds that the head of a request may take; a minute unless said otherwise. */
  readonly headersTimeout?: number;
  /** Undefined: whatever the request says that it asks. Not asked for upgrades: their origin tells more. */
  readonly hostAllowed?: HostCheck | undefined;
  /** Handlers by exact path. */
  readonly routes: ReadonlyMap<string, Handler>;
  /** Takes what is under one of the prefixes. */
  readonly rpc: { readonly prefixes: readonly string[]; readonly handler: Handler };
  readonly upgrade: (request: IncomingMessage, url: URL, socket: Duplex, head: Buffer) => void;
  /** Takes what is under its path, requests and upgrades, with origins that have been checked; undefined: nobody does. */
  readonly socketIo?: SocketIoMount | undefined;
}

/** Whoever speaks Socket.IO. It answers CORS itself. */
export interface SocketIoMount {
  readonly path: string;
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** The HTTP port: RPC, pages, health, metrics, and the way to WebSockets. */
export class HttpListener {
  readonly #options: HttpListenerOptions;
  /** It never listens: its connections are brought to it. */
  readonly #server: Server;
  readonly #port: PortListener;
  readonly #silent: SilentConnections;
  #stopping = false;

  constructor(options: HttpListenerOptions) {
    this.#options = options;
    const { headersTimeout = HEADERS_TIMEOUT } = options;
    const times = { headersTimeout, connectionsCheckingInterval: headersTimeout / 2 };
    this.#server = createServer(times, (request, response) => {
      this.#handle(request, response);
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#upgrade(request, socket, head);
    });
    this.#silent = new SilentConnections(this.#server);
    this.#port = new PortListener({
      ...options,
      alpn: "http/1.1",
      allowHalfOpen: true,
      onConnection: (socket) => {
        this.#server.emit("connection", socket);
      },
    });
  }

  /**
   * @returns where it listens: the real port where 0 was asked for
   * @throws Error of node:net, such as EADDRINUSE
   */
  async listen(): Promise<Address> {
    const address = await this.#port.listen();
    // From this event on node looks after the times that requests may take.
    this.#server.emit("listening");
    return address;
  }

  /** Accepts nothing more. Resolves when the requests under way are answered and the WebSockets are gone. */
  async close(): Promise<void> {
    this.#stopping = true;
    const closed = this.#port.close();
    this.#server.close();
    this.#silent.close();
    await closed;
  }

  /** Cuts the requests under way. */
  terminate(): void {
    this.#server.closeAllConnections();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    if (this.#stopping) response.setHeader("connection", "close");
    response.once("close", this.#onAnswered);
    const url = requestUrl(request);
    if (url === undefined) {
      refuseRequest(response, "invalid_argument", "the request target is not a path");
      return;
    }
    const { host, origin } = request.headers;
    if (this.#options.hostAllowed?.(host) === false) {
      refuseRequest(response, "permission_denied", hostText(host), MISDIRECTED);
      return;
    }
    const route = this.#options.routes.get(url.pathname);
    if (route !== undefined) {
      route(request, response);
      return;
    }
    const { originAllowed, rpc, socketIo } = this.#options;
    const { handler, prefixes } = rpc;
    const isSocketIo = socketIo !== undefined && url.pathname.startsWith(socketIo.path);
    if (!isSocketIo && !prefixes.some((prefix) => url.pathname.startsWith(prefix))) {
      refuseRequest(response, "not_found", `nothing is offered at ${url.pathname}`);
      return;
    }
    if (!originAllowed(origin, host)) {
      refuseRequest(response, "permission_denied", originText(origin));
      return;
    }
    if (isSocketIo) {
      socketIo.request(request, response);
      return;
    }
    if (origin !== undefined) allowOrigin(response, origin);
    if (request.method === "OPTIONS") answerPreflight(response);
    else handler(request, response);
  }

  /** A connection whose last request is answered while the node stops would otherwise stay for the next one. */
  readonly #onAnswered = (): void => {
    if (this.#stopping) this.#server.closeIdleConnections();
  };

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#silent.release(socket);
    if (!asksForWebSocket(request)) {
      ignoreUpgrade(this.#server, request, socket, head);
      return;
    }
    const { originAllowed, socketIo, upgrade } = this.#options;
    const { host, origin } = request.headers;
    const url = requestUrl(request);
    if (this.#stopping) refuseUpgrade(socket, "unavailable", "this node is stopping");
    else if (url === undefined) refuseUpgrade(socket, "invalid_argument", "the request target is not a path");
    else if (!originAllowed(origin, host)) refuseUpgrade(socket, "permission_denied", originText(origin));
    else if (socketIo !== undefined && url.pathname.startsWith(socketIo.path)) socketIo.upgrade(request, socket, head);
    else upgrade(request, url, socket, head);
  }
}

function originText(origin: string | undefined): string {
  return `origin ${origin ?? ""} is not allowed: see origins in the configuration`;
}

function hostText(host: string | undefined): string {
  return `this address is not asked as ${host ?? ""}: see origins in the configuration`;
}
