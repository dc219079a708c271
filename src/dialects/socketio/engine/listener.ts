import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Server as Engine, Socket as EngineSocket } from "engine.io";
import type { Handshakes } from "../../../clients/handshakes.js";
import { CarillonError, type ErrorCode, retryAfterSeconds } from "../../../errors.js";
import type { ClientAddress } from "../../../net/client-address.js";
import { allowCredentials, answerPreflight } from "../../../net/http-handler.js";
import { createStoppingError } from "../../../transport/admission/admission-request.js";
import { refuseRequest, refuseUpgradeWith } from "../../../transport/admission/refuse.js";
import { requireUpgrade } from "../../../transport/admission/upgrade-required.js";
import { refuseMethod } from "../../../transport/http/methods.js";
import { parseRequestUrl } from "../../../transport/http/request-url.js";
import { withResolvers } from "../../../util/with-resolvers.js";
import { createEngine, createSocketIo, type EngineSettings, findProcess } from "./engine.js";
import { EngineConnection, type EngineConnectionCounts } from "./engine-connection.js";
import { type EngineQuery, readEngineQuery } from "./engine-query.js";
import { IdleConnections } from "./idle-connections.js";
import { Namespaces, type NamespacesOptions } from "./namespaces.js";
import type { DecodedClient } from "./parser.js";
import { countBody, countPackets } from "./poll-body.js";

export interface SocketIoListenerOptions
  extends Omit<NamespacesOptions, "findConnection" | "checkCapacity" | "onEmpty" | "frameBytes">,
    EngineSettings {
  /** Path with a final slash, such as `/socket.io/`. */
  readonly path: string;
  readonly clientAddress: ClientAddress;
  /** Called with the error's code for each refused upgrade. */
  readonly onUpgradeRefused: (code: ErrorCode) => void;
  readonly handshakes: Handshakes;
}

/** Source: the Engine.IO protocol, HTTP long-polling. */
const METHODS: readonly string[] = ["GET", "POST"];

/** Listener for Socket.IO clients. The HTTP listener checks origins, then passes on their requests and upgrades. */
export class SocketIoListener {
  readonly #options: SocketIoListenerOptions;
  readonly #engine: Engine;
  /** Connections by id. */
  readonly #connections = new Map<string, EngineConnection>();
  readonly #counts: EngineConnectionCounts = { connections: 0, idle: new IdleConnections() };
  /** Newest connection. The library creates its decoder next. */
  #newest: EngineConnection | undefined;
  /** Sockets of upgrades, which the library stops tracking before they end. */
  readonly #sockets = new Set<Duplex>();
  #closed = false;
  #onDrained: (() => void) | undefined;

  constructor(options: SocketIoListenerOptions) {
    this.#options = options;
    this.#engine = createEngine(options);
    const server = createSocketIo(options.frameBytes, () => this.#createDecodedClient(this.#newest));
    new Namespaces(server, {
      ...options,
      findConnection: (socket) => this.#connections.get(connectionId(socket)),
      checkCapacity: () => {
        this.#checkOpen();
        options.handshakes.checkCapacity();
      },
      onEmpty: (connection) => {
        if (this.#closed) connection.close();
      },
    });
    // Registered before Socket.IO's own listener, so that the connection is known when Socket.IO handles it.
    this.#engine.on("connection", (socket: EngineSocket) => {
      this.#add(socket);
    });
    server.bind(this.#engine);
  }

  /** Whether a path belongs to this listener; the final slash is optional. */
  takes(path: string): boolean {
    const { path: own } = this.#options;
    return path === own.slice(0, -1) || path.startsWith(own);
  }

  /** Requests of a connection belong to the process that has the connection. */
  ownerOf({ url = "" }: IncomingMessage): number | undefined {
    const [, query = ""] = url.split("?", 2);
    return findProcess(new URLSearchParams(query).get("sid") ?? "");
  }

  /** Number of clients in a namespace, or waiting for admission to one. */
  get connections(): number {
    return this.#counts.connections;
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    if (origin !== undefined) allowCredentials(response, origin);
    if (request.method === "OPTIONS") {
      answerPreflight(request, response, METHODS.join(", "));
      return;
    }
    if (!METHODS.includes(request.method ?? "")) {
      refuseMethod(request.method, response, `${METHODS.join(", ")}, OPTIONS`);
      return;
    }
    try {
      const query = this.#query(request);
      if (query.transport === "websocket") {
        requireUpgrade(request, response);
        return;
      }
      const connection = this.#findConnection(query, request);
      if (connection === undefined) this.#engine.handleRequest(request, response);
      else if (!this.#forward(connection, request, response)) {
        connection.cut();
        throw new CarillonError("invalid_argument", "only one request at a time is allowed");
      }
    } catch (cause) {
      this.#refuse(response, cause);
    }
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#checkDrained();
    });
    try {
      this.#checkUpgrade(this.#query(request), request);
      this.#engine.handleUpgrade(request, socket, head);
    } catch (cause) {
      const error = this.#toCarillonError(cause);
      this.#options.onUpgradeRefused(error.code);
      refuseUpgradeWith(socket, error);
    }
  }

  /** Stops admitting clients, and refuses those that wait for admission. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#connections.values()) if (!connection.connected) connection.close();
  }

  /** Resolves when every connection has ended. */
  drained(): Promise<void> {
    const { promise, resolve } = withResolvers<void>();
    this.#onDrained = resolve;
    this.#checkDrained();
    return promise;
  }

  /** Cuts the remaining connections. */
  terminate(): void {
    for (const connection of this.#connections.values()) connection.cut();
    for (const socket of this.#sockets) socket.destroy();
    this.#engine.close();
  }

  /**
   * Forwards a request of an open connection to the engine, now or when preceding requests allow it.
   * @returns false when another one waits already
   */
  #forward(connection: EngineConnection, request: IncomingMessage, response: ServerResponse): boolean {
    const handle = (): void => {
      if (request.destroyed) {
        connection.cut();
        return;
      }
      if (request.method === "POST") this.#countRequest(connection, request, response);
      this.#engine.handleRequest(request, response);
    };
    if (request.method === "POST") return connection.take(handle);
    if (request.method === "GET") return connection.polls.take(response, handle);
    handle();
    return true;
  }

  /** Bounds the bytes and packets of a request. */
  #countRequest(connection: EngineConnection, request: IncomingMessage, response: ServerResponse): void {
    // Packets of Engine.IO 3 are counted during decoding.
    if (connection.protocol !== 3) countPackets(request, () => connection.cut("flooding"));
    countBody(request, response, this.#options.openLease(request, undefined), (cause) => {
      // The packets of the request are lost, and the client cannot continue with a gap.
      response.once("finish", () => connection.cut());
      this.#refuse(response, cause);
    });
  }

  #refuse(response: ServerResponse, cause: unknown): void {
    const error = this.#toCarillonError(cause);
    const seconds = retryAfterSeconds(error);
    if (seconds !== undefined) response.setHeader("retry-after", String(seconds));
    refuseRequest(response, error.code, error.message);
  }

  /** @throws CarillonError not_found, invalid_argument */
  #query(request: IncomingMessage): EngineQuery {
    const url = parseRequestUrl(request);
    const { path } = this.#options;
    if (url.pathname !== path && url.pathname !== path.slice(0, -1)) {
      throw new CarillonError("not_found", `Socket.IO is served at ${path}`);
    }
    return readEngineQuery(url.searchParams);
  }

  /**
   * Finds the connection of a request; undefined for a new or unknown one.
   * @throws CarillonError unavailable when a new connection is refused
   */
  #findConnection({ sid }: EngineQuery, request: IncomingMessage): EngineConnection | undefined {
    if (sid !== "") return this.#connections.get(sid);
    this.#checkOpen();
    this.#counts.idle.checkLimit(this.#options.clientAddress(request));
    this.#options.handshakes.admit();
    return undefined;
  }

  /**
   * Checks an upgrade before the library does, because the library refuses some upgrades only after it has answered with 101,
   * by HTTP text or a close frame.
   * @throws CarillonError invalid_argument, unavailable
   */
  #checkUpgrade(query: EngineQuery, request: IncomingMessage): void {
    if (query.transport !== "websocket") throw new CarillonError("invalid_argument", "transport: not websocket");
    const connection = this.#findConnection(query, request);
    if (query.sid === "") return;
    if (connection === undefined) throw new CarillonError("invalid_argument", "unknown sid");
    if (connection.protocol !== query.protocol)
      throw new CarillonError("invalid_argument", "EIO: differs from the connection's version");
    if (!connection.upgradable) throw new CarillonError("invalid_argument", "the connection already has a WebSocket");
  }

  /** Creates the client to which the connection's decoder reports. */
  #createDecodedClient(connection: EngineConnection | undefined): DecodedClient | undefined {
    if (connection === undefined) return undefined;
    return {
      protocol: connection.protocol,
      takeBytes: (bytes) => {
        if (connection.takeBytes(bytes)) return;
        connection.cut("overloaded");
        throw new Error("too much data in transit on this node");
      },
      giveBytes: (bytes) => {
        connection.giveBytes(bytes);
      },
      requestNamespace: (namespace) => {
        // The library itself refuses unknown namespaces at once.
        if (this.#options.exists(namespace)) connection.requestNamespace(namespace);
      },
    };
  }

  #checkOpen(): void {
    if (this.#closed) throw createStoppingError();
  }

  #add(socket: EngineSocket): void {
    const { clientAddress, clock, openLease } = this.#options;
    const connection = new EngineConnection(socket, {
      address: clientAddress(socket.request),
      clock,
      counts: this.#counts,
      lease: openLease(socket.request, undefined),
    });
    this.#newest = connection;
    this.#connections.set(connection.id, connection);
    socket.once("close", () => {
      this.#connections.delete(connection.id);
      this.#checkDrained();
    });
    connection.startIdle();
    // The library connects these clients to `/` without a request.
    if (connection.protocol === 3) connection.requestNamespace("/");
  }

  #checkDrained(): void {
    if (this.#connections.size === 0 && this.#sockets.size === 0) this.#onDrained?.();
  }

  #toCarillonError(cause: unknown): CarillonError {
    if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
    return CarillonError.from(cause);
  }
}

/** Returns the connection's id, which the library's types hide because it is the client's secret. */
function connectionId(socket: EngineSocket): string {
  return (socket as unknown as { readonly id: string }).id;
}
