import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Server as Engine, Socket as EngineSocket } from "engine.io";
import { CarillonError, type ErrorCode, retryAfterSeconds } from "../../../errors.js";
import type { ClientAddress } from "../../../net/client-address.js";
import { answerPreflight } from "../../../net/http-handler.js";
import { refuseRequest, refuseUpgradeWith } from "../../../transport/admission/refuse.js";
import { requireUpgrade } from "../../../transport/admission/upgrade-required.js";
import { refuseMethod } from "../../../transport/http/methods.js";
import { parseRequestUrl } from "../../../transport/http/request-url.js";
import { withResolvers } from "../../../util/with-resolvers.js";
import { createEngine, createSocketIo, type EngineSettings } from "./engine.js";
import { EngineConnection, type EngineConnectionCounts } from "./engine-connection.js";
import { type EngineQuery, readEngineQuery } from "./engine-query.js";
import { IdleConnections } from "./idle-connections.js";
import { Namespaces, type NamespacesOptions } from "./namespaces.js";
import type { DecodedClient } from "./parser.js";
import { countBody, countPackets } from "./poll-body.js";

export interface SocketIoListenerOptions
  extends Omit<NamespacesOptions, "lineOf" | "checkRoom" | "onEmpty" | "frameBytes">,
    EngineSettings {
  /** Such as `/socket.io/`. */
  readonly path: string;
  readonly clientAddress: ClientAddress;
  /** Told the error's code of each upgrade that is refused. */
  readonly onUpgradeRefused: (code: ErrorCode) => void;
  /** Number of clients of the node, this listener's included. */
  readonly inside: () => number;
  /** Most clients of the node. */
  readonly limit: number;
}

/** Source: the Engine.IO protocol, HTTP long-polling. */
const METHODS: readonly string[] = ["GET", "POST"];

/** Listener for Socket.IO clients. The HTTP listener hands over their requests and upgrades when it has checked origins. */
export class SocketIoListener {
  readonly #options: SocketIoListenerOptions;
  readonly #engine: Engine;
  /** By the ids of their connections. */
  readonly #lines = new Map<string, EngineConnection>();
  readonly #counts: EngineConnectionCounts = { connections: 0, idle: new IdleConnections() };
  /** Connection that the library is being told of. */
  #newest: EngineConnection | undefined;
  /** Sockets of upgrades, which the library forgets before they have ended. */
  readonly #sockets = new Set<Duplex>();
  #closed = false;
  #onDrained: (() => void) | undefined;

  constructor(options: SocketIoListenerOptions) {
    this.#options = options;
    this.#engine = createEngine(options);
    const server = createSocketIo(options.frameBytes, () => this.#decoded(this.#newest));
    new Namespaces(server, {
      ...options,
      lineOf: (connection) => this.#lines.get(connectionId(connection)),
      checkRoom: () => this.#checkRoom(),
      onEmpty: (line) => {
        if (this.#closed) line.close();
      },
    });
    // Before the library hears of it.
    this.#engine.on("connection", (connection: EngineSocket) => {
      this.#add(connection);
    });
    server.bind(this.#engine);
  }

  /** Whether a path belongs to this listener; the final slash is optional. */
  takes(path: string): boolean {
    const { path: own } = this.#options;
    return path === own.slice(0, -1) || path.startsWith(own);
  }

  /** Number of clients in a namespace, or waiting for admission to one. */
  get connections(): number {
    return this.#counts.connections;
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    if (origin !== undefined) allowPolling(response, origin);
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
      const line = this.#findLine(query, request);
      if (line === undefined) this.#engine.handleRequest(request, response);
      else if (!this.#bring(line, request, response)) {
        line.cut();
        throw new CarillonError("invalid_argument", "one request at a time");
      }
    } catch (cause) {
      this.#refuse(response, cause);
    }
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#look();
    });
    try {
      this.#checkUpgrade(this.#query(request), request);
      this.#engine.handleUpgrade(request, socket, head);
    } catch (cause) {
      const error = this.#told(cause);
      this.#options.onUpgradeRefused(error.code);
      refuseUpgradeWith(socket, error);
    }
  }

  /** Admits nobody any more; clients that wait for admission are refused. */
  close(): void {
    this.#closed = true;
    for (const line of this.#lines.values()) if (!line.inside) line.close();
  }

  /** Resolves when every connection has ended. */
  drained(): Promise<void> {
    const { promise, resolve } = withResolvers<void>();
    this.#onDrained = resolve;
    this.#look();
    return promise;
  }

  /** Cuts the remaining connections. */
  terminate(): void {
    for (const line of this.#lines.values()) line.cut();
    for (const socket of this.#sockets) socket.destroy();
    this.#engine.close();
  }

  /**
   * Brings the engine a request of a connection that there is, now or later.
   * @returns false for one too many
   */
  #bring(line: EngineConnection, request: IncomingMessage, response: ServerResponse): boolean {
    const handle = (): void => {
      if (request.destroyed) {
        line.cut();
        return;
      }
      if (request.method === "POST") this.#count(line, request, response);
      this.#engine.handleRequest(request, response);
    };
    if (request.method === "POST") return line.take(handle);
    if (request.method === "GET") return line.polls.take(response, handle);
    handle();
    return true;
  }

  /** Bounds the bytes and packets of a request. */
  #count(line: EngineConnection, request: IncomingMessage, response: ServerResponse): void {
    // With Engine.IO 3 they are counted where they are read.
    if (line.protocol !== 3) countPackets(request, () => line.cut("flooding"));
    countBody(request, response, this.#options.openLease(request, undefined), (cause) => {
      // The packets of the request are lost: a client cannot go on behind a gap.
      response.once("finish", () => line.cut());
      this.#refuse(response, cause);
    });
  }

  #refuse(response: ServerResponse, cause: unknown): void {
    const error = this.#told(cause);
    const seconds = retryAfterSeconds(error);
    if (seconds !== undefined) response.setHeader("retry-after", String(seconds));
    refuseRequest(response, error.code, error.message);
  }

  /** @throws CarillonError not_found, invalid_argument */
  #query(request: IncomingMessage): EngineQuery {
    const url = parseRequestUrl(request);
    const { path } = this.#options;
    if (url.pathname !== path && url.pathname !== path.slice(0, -1)) {
      throw new CarillonError("not_found", `Socket.IO is offered at ${path}`);
    }
    return readEngineQuery(url.searchParams);
  }

  /**
   * The connection that a request belongs to; undefined for a new one, or one that there is not.
   * @throws CarillonError unavailable: a new one is refused
   */
  #findLine({ sid }: EngineQuery, request: IncomingMessage): EngineConnection | undefined {
    if (sid !== "") return this.#lines.get(sid);
    this.#checkRoom();
    this.#counts.idle.checkRoom(this.#options.clientAddress(request));
    return undefined;
  }

  /**
   * The library refuses some upgrades when it has answered 101, by text of HTTP or a close frame: nothing that it would
   * refuse may reach it.
   * @throws CarillonError invalid_argument, unavailable
   */
  #checkUpgrade(query: EngineQuery, request: IncomingMessage): void {
    if (query.transport !== "websocket") throw new CarillonError("invalid_argument", "transport: not websocket");
    const line = this.#findLine(query, request);
    if (query.sid === "") return;
    if (line === undefined) throw new CarillonError("invalid_argument", "unknown sid");
    if (line.protocol !== query.protocol) throw new CarillonError("invalid_argument", "EIO: not the connection's");
    if (!line.upgradable) throw new CarillonError("invalid_argument", "the connection has a WebSocket already");
  }

  /** Client of a connection, for its decoder. */
  #decoded(line: EngineConnection | undefined): DecodedClient | undefined {
    if (line === undefined) return undefined;
    return {
      protocol: line.protocol,
      take: (bytes) => {
        if (line.takeBytes(bytes)) return;
        line.cut("overloaded");
        throw new Error("too much data in transit on this node");
      },
      give: (bytes) => {
        line.giveBytes(bytes);
      },
      ask: (namespace) => {
        // The library refuses at once what there is not.
        if (this.#options.exists(namespace)) line.ask(namespace);
      },
    };
  }

  #checkRoom(): void {
    if (this.#closed) throw new CarillonError("unavailable", "this node is stopping");
    if (this.#options.inside() >= this.#options.limit) {
      throw new CarillonError("unavailable", "this node has reached its connection limit");
    }
  }

  #add(connection: EngineSocket): void {
    const { clientAddress, clock, openLease } = this.#options;
    const line = new EngineConnection(connection, {
      address: clientAddress(connection.request),
      clock,
      counts: this.#counts,
      lease: openLease(connection.request, undefined),
    });
    this.#newest = line;
    this.#lines.set(line.id, line);
    connection.once("close", () => {
      this.#lines.delete(line.id);
      this.#look();
    });
    line.rest();
    // The library brings the client there, unasked.
    if (line.protocol === 3) line.ask("/");
  }

  #look(): void {
    if (this.#lines.size === 0 && this.#sockets.size === 0) this.#onDrained?.();
  }

  #told(cause: unknown): CarillonError {
    if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
    return CarillonError.from(cause);
  }
}

/** The id, which the library's types hide: it is the client's secret. */
function connectionId(connection: EngineSocket): string {
  return (connection as unknown as { readonly id: string }).id;
}

/** Lets a page of a checked origin read the answers, with cookies if it sends them. */
function allowPolling(response: ServerResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-allow-credentials", "true");
  response.setHeader("vary", "origin");
}
