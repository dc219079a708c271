import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { cleanUp } from "../clean-up.js";

type Join = (client: Socket, server: Socket) => void;

/** Stands before a server and passes on what both sides send. */
export class TcpProxy {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => {
    if (this.#open) this.#accept(client);
    else client.destroy();
  });
  readonly #target: number;
  readonly #join: Join;
  #open = true;

  constructor(target: number, join: Join) {
    this.#target = target;
    this.#join = join;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get natsUrl(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }

  /** Accepts connections again after shut(). */
  open(): void {
    this.#open = true;
  }

  /** Ends all connections, and accepts none until open(). */
  shut(): void {
    this.#open = false;
    this.cut();
  }

  /** Ends the present connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Passes nothing more on the present connections, and tells neither side, as on a wire that was cut. New ones work. */
  mute(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  #accept(client: Socket): void {
    const server = connect(this.#target, "127.0.0.1");
    this.#join(client, server);
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

/** Passes bytes on in both directions. */
function pipeBoth(client: Socket, server: Socket): void {
  client.pipe(server).pipe(client);
}

/**
 * Starts a proxy before a server that listens on a port of this machine; it is closed after the test.
 * @param join - how bytes pass between the two sockets of a connection
 */
export async function startTcpProxy(target: number, join: Join = pipeBoth): Promise<TcpProxy> {
  const proxy = new TcpProxy(target, join);
  cleanUp(() => proxy.close());
  await proxy.listen();
  return proxy;
}

/** Starts a proxy that sends the same bytes to the server before those of each client. */
export function startPrefixingProxy(target: number, prefix: Uint8Array): Promise<TcpProxy> {
  return startTcpProxy(target, (client, server) => {
    server.write(prefix);
    pipeBoth(client, server);
  });
}
