import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { cleanUp } from "../support/clean-up.js";

/** Key server of an issuer, with configurable answers. */
export class JwksServer {
  readonly url: string;
  requests = 0;
  body = '{"keys":[]}';
  status = 200;
  headers: Record<string, string> = {};
  /** Whether requests get no answer. */
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

  /** Refuses connections from now on. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
