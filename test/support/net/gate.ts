import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { cleanUp } from "../clean-up.js";

/** Stands before a server; while it is shut there are no connections and none can be made. */
export class Gate {
  readonly #sockets = new Set<Socket>();
  #open = true;
  readonly #server = createServer((client) => {
    if (this.#open) this.#join(client);
    else client.destroy();
  });
  readonly #target: number;

  constructor(target: number) {
    this.#target = target;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  open(): void {
    this.#open = true;
  }

  shut(): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.shut();
    await closed;
  }

  #join(client: Socket): void {
    const server = connect(this.#target, "127.0.0.1");
    client.pipe(server);
    server.pipe(client);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on("error", () => {
        // The close event tells.
      });
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}

/** Puts a gate before a server that listens on a port of this machine; it is closed after the test. */
export async function startGate(target: number): Promise<Gate> {
  const gate = new Gate(target);
  cleanUp(() => gate.close());
  await gate.listen();
  return gate;
}
