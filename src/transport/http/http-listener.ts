import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../../core/ports.js";
import type { ClientListener } from "../../dialects/module.js";
import { CarillonError, type ErrorCode } from "../../errors.js";
import type { Handler } from "../../net/http-handler.js";
import { PortListener, type PortOptions } from "../../net/port-listener.js";
import { parseAuthority } from "../../net/web-origin.js";
import type { Address } from "../../util/address.js";
import { systemClock } from "../../util/system-clock.js";
import { asksForWebSocket, ignoreUpgrade } from "../admission/ignore-upgrade.js";
import { refuseRequest, refuseUpgrade } from "../admission/refuse.js";
import { requireUpgrade } from "../admission/upgrade-required.js";
import { allowOrigin, answerRpcPreflight } from "./cors.js";
import type { HostCheck } from "./host.js";
import type { OriginCheck } from "./origin.js";
import { requestUrl } from "./request-url.js";
import { UnreadAnswers } from "./unread-answers.js";
import { UnusedConnections } from "./unused-connections.js";

/** Milliseconds that the steps of a request may take. */
export interface HttpTimes {
  /** Its head, from the first byte, or from the beginning of the connection. */
  readonly head: number;
  /** The whole of it. */
  readonly request: number;
  /** From one request to the next on a connection. */
  readonly keepAlive: number;
  /** How long a peer may take nothing of its answer; it is cut half of that later at the latest. */
  readonly answer: number;
}

export const HTTP_TIMES: HttpTimes = { head: 60_000, request: 120_000, keepAlive: 75_000, answer: 60_000 };

/** How often the times of heads and requests are looked after, in milliseconds: they are late by so much at most. */
const LONGEST_CHECK = 1_000;
const CHECKS_OF_HEAD = 20;

/** Misdirected Request: the server is not the one that the request is meant for (RFC 9110 §15.5.20). */
const MISDIRECTED = 421;

export interface HttpListenerOptions extends PortOptions {
  readonly originAllowed: OriginCheck;
  /** By default {@link HTTP_TIMES}. */
  readonly times?: Partial<HttpTimes>;
  /** Measures the time of answers; those of requests are node's own. By default the system's. */
  readonly clock?: Clock;
  /** Undefined: whatever the request says that it asks. Not asked for upgrades: their origin tells more. */
  readonly hostAllowed?: HostCheck | undefined;
  /** Handlers by exact path. */
  readonly routes: ReadonlyMap<string, Handler>;
  /** Takes what is under one of the prefixes. */
  readonly rpc: { readonly prefixes: readonly string[]; readonly handler: Handler };
  readonly upgrades: UpgradeHandler;
  /** Told the error's code of each upgrade that is refused here. */
  readonly onUpgradeRefused?: (code: ErrorCode) => void;
  /** Whether a path is one of WebSockets; undefined: none is. */
  readonly isWebSocketPath?: (path: string) => boolean;
  /** Each takes what is under its path, requests and upgrades, with origins that have been checked. */
  readonly listeners?: readonly ClientListener[];
}

/** Handles the WebSocket upgrades whose origins have been checked. */
export interface UpgradeHandler {
  upgrade(request: IncomingMessage, url: URL, socket: Duplex, head: Buffer): void;
}

/** The HTTP port: RPC, pages, health, metrics, and the way to WebSockets. */
export class HttpListener {
  readonly #options: HttpListenerOptions;
  /** It never listens: its connections are brought to it. */
  readonly #server: Server;
  readonly #port: PortListener;
  readonly #silent: UnusedConnections;
  readonly #unread: UnreadAnswers;
  #stopping = false;

  constructor(options: HttpListenerOptions) {
    this.#options = options;
    const times = { ...HTTP_TIMES, ...options.times };
    this.#unread = new UnreadAnswers(times.answer, options.clock ?? systemClock);
    this.#server = createServer(serverTimes(times), (request, response) => {
      this.#handle(request, response);
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#upgrade(request, socket, head);
    });
    this.#silent = new UnusedConnections(this.#server);
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
    this.#unread.start();
    return address;
  }

  /** Accepts nothing more. Resolves when the requests under way are answered and the WebSockets are gone. */
  async close(): Promise<void> {
    this.#stopping = true;
    const closed = this.#port.close();
    this.#server.close();
    this.#silent.close();
    await closed;
    this.#unread.stop();
  }

  /** Cuts the requests under way. */
  terminate(): void {
    this.#server.closeAllConnections();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    this.#port.settle(request.socket);
    if (this.#stopping) response.setHeader("connection", "close");
    response.once("close", this.#onAnswered);
    this.#unread.add(response);
    try {
      this.#route(request, requestUrl(request).pathname, response);
    } catch (cause) {
      const { code, message } = CarillonError.from(cause);
      refuseRequest(response, code, message);
    }
  }

  /** @throws CarillonError the refusal of a request that no handler gets */
  #route(request: IncomingMessage, path: string, response: ServerResponse): void {
    const { hostAllowed, isWebSocketPath, originAllowed, routes, rpc } = this.#options;
    const { host, origin } = request.headers;
    checkHost(host);
    if (hostAllowed?.(host) === false) {
      refuseRequest(response, "permission_denied", hostText(host), MISDIRECTED);
      return;
    }
    const route = routes.get(path);
    if (route !== undefined) {
      route(request, response);
      return;
    }
    const listener = this.#listenerAt(path);
    if (listener === undefined && !rpc.prefixes.some((prefix) => path.startsWith(prefix))) {
      if (isWebSocketPath?.(path) !== true) throw new CarillonError("not_found", `nothing is offered at ${path}`);
      requireUpgrade(request, response);
      return;
    }
    if (!originAllowed(origin, host)) throw new CarillonError("permission_denied", originText(origin));
    if (listener !== undefined) {
      listener.request(request, response);
      return;
    }
    if (origin !== undefined) allowOrigin(response, origin);
    if (request.method === "OPTIONS") answerRpcPreflight(request, response);
    else rpc.handler(request, response);
  }

  /** A connection whose last request is answered while the node stops would otherwise stay for the next one. */
  readonly #onAnswered = (): void => {
    if (this.#stopping) this.#server.closeIdleConnections();
  };

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#port.settle(socket);
    this.#silent.release(socket);
    if (!asksForWebSocket(request)) {
      ignoreUpgrade(this.#server, request, socket, head);
      return;
    }
    try {
      if (this.#stopping) throw new CarillonError("unavailable", "this node is stopping");
      this.#routeUpgrade(request, requestUrl(request), socket, head);
    } catch (cause) {
      const { code, message } = CarillonError.from(cause);
      this.#options.onUpgradeRefused?.(code);
      refuseUpgrade(socket, code, message);
    }
  }

  /** @throws CarillonError the refusal of an upgrade that nobody gets */
  #routeUpgrade(request: IncomingMessage, url: URL, socket: Duplex, head: Buffer): void {
    const { originAllowed, upgrades } = this.#options;
    const { host, origin } = request.headers;
    checkHost(host);
    if (!originAllowed(origin, host)) throw new CarillonError("permission_denied", originText(origin));
    const listener = this.#listenerAt(url.pathname);
    if (listener !== undefined) listener.upgrade(request, socket, head);
    else upgrades.upgrade(request, url, socket, head);
  }

  #listenerAt(path: string): ClientListener | undefined {
    return this.#options.listeners?.find((listener) => listener.takes(path));
  }
}

/** Node looks after the times of heads and requests only so often. */
function serverTimes({ head, keepAlive, request }: HttpTimes): ServerOptions {
  const headersTimeout = Math.min(head, request);
  return {
    headersTimeout,
    requestTimeout: request,
    keepAliveTimeout: keepAlive,
    connectionsCheckingInterval: Math.min(LONGEST_CHECK, headersTimeout / CHECKS_OF_HEAD),
  };
}

/** @throws CarillonError invalid_argument (RFC 9112 §3.2) */
function checkHost(host: string | undefined): void {
  if (host === undefined || host === "" || parseAuthority(host) !== undefined) return;
  throw new CarillonError("invalid_argument", "the Host header is malformed");
}

function originText(origin: string | undefined): string {
  return `origin ${origin ?? ""} is not allowed: see origins in the configuration`;
}

function hostText(host: string | undefined): string {
  return `this address is not asked as ${host ?? ""}: see origins in the configuration`;
}
