import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** TCP link between a node and a NATS server that can be cut. */
export class Link {
  readonly #sockets = new Set<Socket>();
  readonly #target: number;
  readonly #server = createServer((client) => {
    if (this.#open) this.#join(client);
    else client.destroy();
  });
  #open = true;

  /** @param target - port of the server on this machine */
  private constructor(target: number) {
    this.#target = target;
  }

  static async open(target: number): Promise<Link> {
    const link = new Link(target);
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections, and accepts none until `heal`. */
  cut(): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  heal(): void {
    this.#open = true;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(client: Socket): void {
    const server = connect(this.#target, "127.0.0.1");
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => {
        // The close event follows.
      });
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
