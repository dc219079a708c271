import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../core/ports.js";
import type { ClientListener } from "../../dialects/module.js";
import { CarillonError, type ErrorCode } from "../../errors.js";
import { answerPreflight, type ContinueTrace, type Handler } from "../../net/http-handler.js";
import { PortListener, type PortOptions } from "../../net/port-listener.js";
import { parseAuthority } from "../../net/web-origin.js";
import type { Address } from "../../util/address.js";
import { systemClock } from "../../util/system-clock.js";
import { createStoppingError } from "../admission/admission-request.js";
import { ignoreUpgrade, isWebSocketUpgrade } from "../admission/ignore-upgrade.js";
import { refuseRequest, refuseRequestWith, refuseUpgradeWith } from "../admission/refuse.js";
import { requireUpgrade } from "../admission/upgrade-required.js";
import type { HostCheck } from "./host.js";
import { isClaimed } from "./http-stream.js";
import type { OriginCheck } from "./origin.js";
import { parseRequestPath, parseRequestUrl } from "./request-url.js";
import { UnreadAnswers } from "./unread-answers.js";
import { UnusedConnections } from "./unused-connections.js";

/** Methods and headers of Connect and gRPC-Web clients in browsers. Source: connectrpc.com, CORS. */
const METHODS = "POST, GET";
const REQUEST_HEADERS = [
  "authorization, content-type, connect-protocol-version, connect-timeout-ms, grpc-timeout, x-grpc-web, x-user-agent",
  // Names the vhost of the request (A3).
  "carillon-vhost",
].join(", ");
const RESPONSE_HEADERS = "grpc-status, grpc-message, grpc-status-details-bin, retry-after";

/** Timeouts of the steps of a request, in milliseconds. */
export interface HttpTimes {
  /** From the first byte, or the start of the connection, to the end of the head. */
  readonly head: number;
  /** From the first byte to the end of the body. */
  readonly request: number;
  /** From the end of a response to the next request on the connection. */
  readonly keepAlive: number;
  /**
   * Longest time for which a peer may read nothing of its response. The check may disconnect it up to half of that time
   * later.
   */
  readonly answer: number;
}

export const HTTP_TIMES: HttpTimes = { head: 60_000, request: 120_000, keepAlive: 75_000, answer: 60_000 };

/** Longest interval between checks of the head and request timeouts, in milliseconds. A timeout fires late by at most that. */
const MAX_CHECK = 1_000;
const CHECKS_OF_HEAD = 20;

/** Status "Misdirected Request": the request is meant for another server (RFC 9110 §15.5.20). */
const MISDIRECTED = 421;

export interface HttpListenerOptions extends PortOptions {
  readonly originAllowed: OriginCheck;
  /** Default: {@link HTTP_TIMES}. */
  readonly times?: Partial<HttpTimes>;
  /** Clock for responses; Node times requests itself. Default: the system clock. */
  readonly clock?: Clock;
  /** Undefined: every host is allowed. Not applied to upgrades, whose Origin header is stricter. */
  readonly hostAllowed?: HostCheck | undefined;
  /** Handlers by exact path. */
  readonly routes: ReadonlyMap<string, Handler>;
  /** Handles paths under one of the prefixes. */
  readonly rpc: { readonly prefixes: readonly string[]; readonly handler: Handler };
  readonly upgrades: UpgradeHandler;
  /** Undefined if traces are not recorded. */
  readonly continueTrace?: ContinueTrace | undefined;
  /** Called with the error's code for each upgrade that this listener refuses. */
  readonly onUpgradeRefused?: (code: ErrorCode) => void;
  /** Whether a path is a WebSocket path; undefined: no path is. */
  readonly isWebSocketPath?: (path: string) => boolean;
  /** Handle requests and upgrades under their paths, after their origin has been checked. */
  readonly listeners?: readonly ClientListener[];
  /** Undefined if this process is the only one. */
  readonly forwarder?: RequestForwarder | undefined;
}

/** Passes on requests that belong to another process of this machine. */
export interface RequestForwarder {
  /** @returns false when the request belongs to this process */
  request(request: IncomingMessage, response: ServerResponse): boolean;
  /** @returns false when the upgrade belongs to this process */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
}

/** Handles the WebSocket upgrades whose origins have been checked. */
export interface UpgradeHandler {
  upgrade(request: IncomingMessage, url: URL, socket: Duplex, head: Buffer): void;
}

/** Serves the HTTP port: RPC, pages, health and metrics; passes upgrades to the listeners of clients. */
export class HttpListener {
  readonly #options: HttpListenerOptions;
  /** HTTP server that never listens itself. The port listener passes connections to it. */
  readonly #server: Server;
  readonly #port: PortListener;
  readonly #unused: UnusedConnections;
  readonly #unread: UnreadAnswers;
  /** The last Host header that was allowed: nearly all requests have the same. */
  #knownHost: string | undefined;
  #stopping = false;

  constructor(options: HttpListenerOptions) {
    this.#options = options;
    const times = { ...HTTP_TIMES, ...options.times };
    this.#unread = new UnreadAnswers(times.answer, options.clock ?? systemClock, () => this.#closeIdle());
    this.#server = createServer(toServerOptions(times), (request, response) => {
      this.#handle(request, response);
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#upgrade(request, socket, head);
    });
    this.#unused = new UnusedConnections(this.#server);
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
   * @returns the address; the actual port when port 0 was configured
   * @throws Error of node:net, such as EADDRINUSE
   */
  async listen(): Promise<Address> {
    const address = await this.#port.listen();
    // This event starts Node's timeouts of requests.
    this.#server.emit("listening");
    this.#unread.start();
    return address;
  }

  /** Takes a connection that another process passes on. */
  accept(socket: Socket): void {
    this.#server.emit("connection", socket);
  }

  /** Stops accepting connections. Resolves when pending requests are answered and WebSockets are closed. */
  async close(): Promise<void> {
    this.#stopping = true;
    const closed = this.#port.close();
    this.#server.close();
    this.#unused.close();
    await closed;
    this.#unread.stop();
  }

  /** Closes the connections of pending requests. */
  terminate(): void {
    this.#server.closeAllConnections();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    this.#port.settle(request.socket);
    if (isClaimed(request.socket)) {
      request.socket.destroy();
      return;
    }
    if (this.#stopping) response.setHeader("connection", "close");
    this.#unread.add(response);
    if (this.#options.forwarder?.request(request, response) === true) return;
    const { continueTrace } = this.#options;
    if (continueTrace === undefined) this.#routeOrRefuse(request, response);
    else {
      continueTrace({ header: headersOf(request), events: request }, () => {
        this.#routeOrRefuse(request, response);
      });
    }
  }

  #routeOrRefuse(request: IncomingMessage, response: ServerResponse): void {
    try {
      this.#route(request, parseRequestPath(request), response);
    } catch (cause) {
      refuseRequestWith(response, CarillonError.from(cause));
    }
  }

  /** @throws CarillonError the refusal of a request that reaches no handler */
  #route(request: IncomingMessage, path: string, response: ServerResponse): void {
    const { hostAllowed, isWebSocketPath, originAllowed, routes, rpc } = this.#options;
    const { host, origin } = request.headers;
    if (host === undefined || host !== this.#knownHost) {
      checkHost(host);
      if (hostAllowed?.(host) === false) {
        refuseRequest(response, "permission_denied", describeHost(host), MISDIRECTED);
        return;
      }
      this.#knownHost = host;
    }
    const route = routes.get(path);
    if (route !== undefined) {
      route(request, response);
      return;
    }
    const listener = this.#listenerAt(path);
    if (listener === undefined && !rpc.prefixes.some((prefix) => path.startsWith(prefix))) {
      if (isWebSocketPath?.(path) !== true) throw new CarillonError("not_found", `not found: ${path}`);
      requireUpgrade(request, response);
      return;
    }
    if (!originAllowed(origin, host)) throw new CarillonError("permission_denied", describeOrigin(origin));
    if (listener !== undefined) {
      listener.request(request, response);
      return;
    }
    if (origin !== undefined) allowOrigin(response, origin);
    if (request.method === "OPTIONS") answerRpcPreflight(request, response);
    else rpc.handler(request, response);
  }

  /** Closes idle connections while the node stops; they would otherwise stay open for the next request. */
  #closeIdle(): void {
    if (this.#stopping) this.#server.closeIdleConnections();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#port.settle(socket);
    this.#unused.release(socket);
    if (isClaimed(socket)) {
      socket.destroy();
      return;
    }
    if (!isWebSocketUpgrade(request)) {
      ignoreUpgrade(this.#server, request, socket, head);
      return;
    }
    if (this.#options.forwarder?.upgrade(request, socket, head) === true) return;
    try {
      if (this.#stopping) throw createStoppingError();
      this.#routeUpgrade(request, parseRequestUrl(request), socket, head);
    } catch (cause) {
      const error = CarillonError.from(cause);
      this.#options.onUpgradeRefused?.(error.code);
      refuseUpgradeWith(socket, error);
    }
  }

  /** @throws CarillonError the refusal of an upgrade that reaches no handler */
  #routeUpgrade(request: IncomingMessage, url: URL, socket: Duplex, head: Buffer): void {
    const { originAllowed, upgrades } = this.#options;
    const { host, origin } = request.headers;
    checkHost(host);
    if (!originAllowed(origin, host)) throw new CarillonError("permission_denied", describeOrigin(origin));
    const listener = this.#listenerAt(url.pathname);
    if (listener !== undefined) listener.upgrade(request, socket, head);
    else upgrades.upgrade(request, url, socket, head);
  }

  #listenerAt(path: string): ClientListener | undefined {
    return this.#options.listeners?.find((listener) => listener.takes(path));
  }
}

/** Converts timeouts to Node's options, with an interval of checks that is short enough for them. */
function toServerOptions({ head, keepAlive, request }: HttpTimes): ServerOptions {
  const headersTimeout = Math.min(head, request);
  return {
    headersTimeout,
    requestTimeout: request,
    keepAliveTimeout: keepAlive,
    connectionsCheckingInterval: Math.min(MAX_CHECK, headersTimeout / CHECKS_OF_HEAD),
  };
}

function headersOf({ headers }: IncomingMessage): (name: string) => string | undefined {
  return (name) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(",") : value;
  };
}

/** @throws CarillonError invalid_argument (RFC 9112 §3.2) */
function checkHost(host: string | undefined): void {
  if (host === undefined || host === "" || parseAuthority(host) !== undefined) return;
  throw new CarillonError("invalid_argument", "malformed Host header");
}

function describeOrigin(origin: string | undefined): string {
  return `origin not allowed: ${origin ?? ""}; see origins in the configuration`;
}

function describeHost(host: string | undefined): string {
  return `host name not allowed: ${host ?? ""}; see origins in the configuration`;
}

/** Lets a page read the response. @param origin - of the page; the caller has checked it */
function allowOrigin(response: ServerResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", RESPONSE_HEADERS);
  response.setHeader("vary", "origin");
}

/** Answers the preflight request of a call. */
function answerRpcPreflight(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader("vary", "origin, access-control-request-headers");
  answerPreflight(request, response, METHODS, REQUEST_HEADERS);
}
