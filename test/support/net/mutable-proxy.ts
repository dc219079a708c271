import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { cleanUp } from "../clean-up.js";

/** A TCP proxy whose connections can be made to say nothing more, as on a wire that was cut; stopped after the test. */
export class MutableProxy {
  readonly #sockets = new Set<Socket>();
  readonly #port: number;

  private constructor(port: number, sockets: Set<Socket>) {
    this.#port = port;
    this.#sockets = sockets;
  }

  static async start(target: number): Promise<MutableProxy> {
    const sockets = new Set<Socket>();
    const server = createServer((client) => {
      const upstream = connect({ host: "127.0.0.1", port: target });
      client.pipe(upstream).pipe(client);
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        sockets.add(one);
        one.on("error", () => {}).on("close", () => other.destroy());
        cleanUp(() => one.destroy());
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanUp(() => server.close());
    return new MutableProxy((server.address() as AddressInfo).port, sockets);
  }

  get http(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Passes nothing more on the connections that there are, and tells neither side. New ones work. */
  mute(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
    this.#sockets.clear();
  }
}
