import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { cleanUp } from "../support/clean-up.js";

/** An issuer's key server that can be told what to answer. */
export class JwksServer {
  readonly url: string;
  requests = 0;
  body = '{"keys":[]}';
  status = 200;
  headers: Record<string, string> = {};
  /** Whether requests are left without an answer. */
  silent = false;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
    server.on("request", (_request, response) => {
      this.requests += 1;
      if (!this.silent) response.writeHead(this.status, { connection: "close", ...this.headers }).end(this.body);
    });
    cleanUp(() => this.stop());
  }

  static async start(keys: readonly object[] = []): Promise<JwksServer> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const jwks = new JwksServer(server);
    jwks.keys = keys;
    return jwks;
  }

  set keys(keys: readonly object[]) {
    this.body = JSON.stringify({ keys });
  }

  /** From now on connections are refused. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
