import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type ErrorCode, HTTP_STATUS } from "../errors.js";
import type { Address } from "../util/address.js";
import { allowOrigin, answerPreflight } from "./cors.js";
import type { OriginCheck } from "./origin.js";
import { refuseUpgrade } from "./refuse-upgrade.js";

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
  #stopping = false;

  constructor(options: HttpListenerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#handle(request, response);
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#upgrade(request, socket, head);
    });
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
        resolve();
      });
    });
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  /** Accepts nothing more. Resolves when the requests under way are answered. WebSockets are not waited for. */
  async close(): Promise<void> {
    this.#stopping = true;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
    });
  }

  /** Cuts the requests under way. */
  terminate(): void {
    this.#server.closeAllConnections();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const url = urlOf(request);
    if (url === undefined) {
      refuse(response, "invalid_argument", "the request target is not a path");
      return;
    }
    const route = this.#options.routes.get(url.pathname);
    if (route !== undefined) {
      route(request, response);
      return;
    }
    const { handler, prefixes } = this.#options.rpc;
    if (!prefixes.some((prefix) => url.pathname.startsWith(prefix))) {
      refuse(response, "not_found", `nothing is offered at ${url.pathname}`);
      return;
    }
    const { origin } = request.headers;
    if (!this.#options.originAllowed(origin, request.headers.host)) {
      refuse(response, "permission_denied", originText(origin));
      return;
    }
    if (origin !== undefined) allowOrigin(response, origin);
    if (request.method === "OPTIONS") answerPreflight(response);
    else handler(request, response);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { originAllowed, upgrade } = this.#options;
    const { host, origin } = request.headers;
    const url = urlOf(request);
    if (this.#stopping) refuseUpgrade(socket, "unavailable", "this node is stopping");
    else if (url === undefined) refuseUpgrade(socket, "invalid_argument", "the request target is not a path");
    else if (!originAllowed(origin, host)) refuseUpgrade(socket, "permission_denied", originText(origin));
    else upgrade(request, url, socket, head);
  }
}

function urlOf(request: IncomingMessage): URL | undefined {
  const target = request.url ?? "";
  if (!target.startsWith("/") || !URL.canParse(target, "http://host")) return undefined;
  // Joined, not resolved: a target that begins with two slashes is a path here and no host.
  return new URL(`http://host${target}`);
}

function originText(origin: string | undefined): string {
  return `origin ${origin ?? ""} is not allowed: see origins in the configuration`;
}

function refuse(response: ServerResponse, code: ErrorCode, message: string): void {
  response.writeHead(HTTP_STATUS[code], { "content-type": "application/json" });
  response.end(`${JSON.stringify({ code, message })}\n`);
}
