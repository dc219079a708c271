import { Agent, request as httpRequest } from "node:http";
import { PUBLISH_PATH, type Requests } from "./grpc.js";

/** Connect client for unary calls with binary messages, over HTTP/1.1 keep-alive connections. */
export class ConnectLoad {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(port: number) {
    this.#port = port;
  }

  async unary(next: Requests, concurrency: number, onAnswer: (answer: Buffer) => void): Promise<void> {
    const lane = async (): Promise<void> => {
      for (let request = next(); request !== undefined; request = next()) onAnswer(await this.#call(request));
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  }

  close(): void {
    this.#agent.destroy();
  }

  #call(body: Buffer): Promise<Buffer> {
    const headers = {
      "content-type": "application/proto",
      "connect-protocol-version": "1",
      "content-length": body.length,
    };
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: this.#port, path: PUBLISH_PATH, method: "POST", headers };
      const request = httpRequest({ ...options, agent: this.#agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          if (response.statusCode === 200) resolve(Buffer.concat(chunks));
          else reject(new Error(`status ${response.statusCode}: ${Buffer.concat(chunks).toString()}`));
        });
      });
      request.on("error", reject);
      request.end(body);
    });
  }
}
