import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Address } from "../util/address.js";
import { allowOrigin, answerPreflight } from "./cors.js";
import { asksForWebSocket, ignoreUpgrade } from "./ignore-upgrade.js";
import type { OriginCheck } from "./origin.js";
import { refuseRequest, refuseUpgrade } from "./refuse.js";
import { requestUrl } from "./request-url.js";
import { SilentConnections } from "./silent-connections.js";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpListenerOptions {
  readonly address: Address;
  readonly originAllowed: OriginCheck;
  /** Handlers by exact path. */
  readonly routes: ReadonlyMap<string, Handler>;
  /** Takes what is under one of the prefixes. */
  readonly rpc: { readonly prefixes: readonly string[]; readonly handler: Handler };
  readonly upgrade: (request: IncomingMessage, url: URL, socket: Duplex, head: Buffer) => void;
}

/** The HTTP port: RPC, pages, health, metrics, and the way to WebSockets. */
export class HttpListener {
  readonly #options: HttpListenerOptions;
  readonly #server: Server;
  readonly #silent: SilentConnections;
  #stopping = false;

  constructor(options: HttpListenerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#handle(request, response);
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#upgrade(request, socket, head);
    });
    this.#silent = new SilentConnections(this.#server);
  }

  /**
   * @returns where it listens: the real port where 0 was asked for
   * @throws Error of node:net, such as EADDRINUSE
   */
  async listen(): Promise<Address> {
    const { host, port } = this.#options.address;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, backlog: 4_096 }, () => {
        this.#server.off("error", reject);
        this.#server.on("error", ignoreFailedAccept);
        resolve();
      });
    });
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  /** Accepts nothing more. Resolves when the requests under way are answered and the WebSockets are gone. */
  async close(): Promise<void> {
    this.#stopping = true;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#silent.close();
    });
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
    const route = this.#options.routes.get(url.pathname);
    if (route !== undefined) {
      route(request, response);
      return;
    }
    const { handler, prefixes } = this.#options.rpc;
    if (!prefixes.some((prefix) => url.pathname.startsWith(prefix))) {
      refuseRequest(response, "not_found", `nothing is offered at ${url.pathname}`);
      return;
    }
    const { origin } = request.headers;
    if (!this.#options.originAllowed(origin, request.headers.host)) {
      refuseRequest(response, "permission_denied", originText(origin));
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
    const { originAllowed, upgrade } = this.#options;
    const { host, origin } = request.headers;
    const url = requestUrl(request);
    if (this.#stopping) refuseUpgrade(socket, "unavailable", "this node is stopping");
    else if (url === undefined) refuseUpgrade(socket, "invalid_argument", "the request target is not a path");
    else if (!originAllowed(origin, host)) refuseUpgrade(socket, "permission_denied", originText(origin));
    else upgrade(request, url, socket, head);
  }
}

/** The system is out of memory for sockets, say: one client is not let in, the others are not to suffer for it. */
function ignoreFailedAccept(): void {}

function originText(origin: string | undefined): string {
  return `origin ${origin ?? ""} is not allowed: see origins in the configuration`;
}
