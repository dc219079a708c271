import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { cleanUp } from "../clean-up.js";

type Join = (client: Socket, server: Socket) => void;

/** A TCP proxy in front of a server that forwards bytes in both directions. */
export class TcpProxy {
  readonly #sockets = new Set<Socket>();
  /** Sockets to the server. */
  readonly #servers = new Set<Socket>();
  readonly #server = createServer((client) => {
    if (this.#open) this.#accept(client);
    else client.destroy();
  });
  #target: number;
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

  /** Accepts connections again after `shut`. */
  open(): void {
    this.#open = true;
  }

  /** Ends all connections, and accepts none until `open`. */
  shut(): void {
    this.#open = false;
    this.cut();
  }

  /** Ends the current connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Connects new clients to another server. */
  route(target: number): void {
    this.#target = target;
  }

  /** Stops forwarding on the current connections without closing them, like a cut wire. New connections work. */
  mute(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  /** Stops forwarding from the server to the current clients. */
  loseAnswers(): void {
    for (const server of this.#servers) {
      server.unpipe();
      server.resume();
    }
  }

  #accept(client: Socket): void {
    const server = connect(this.#target, "127.0.0.1");
    this.#servers.add(server);
    server.on("close", () => this.#servers.delete(server));
    this.#join(client, server);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on("error", () => {
        // The close event follows an error.
      });
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}

/** Forwards bytes in both directions. */
function pipeBoth(client: Socket, server: Socket): void {
  client.pipe(server).pipe(client);
}

/**
 * Starts a proxy in front of a server on a port of this machine, and closes it after the test.
 * @param join - connects the two sockets of a connection
 */
export async function startTcpProxy(target: number, join: Join = pipeBoth): Promise<TcpProxy> {
  const proxy = new TcpProxy(target, join);
  cleanUp(() => proxy.close());
  await proxy.listen();
  return proxy;
}

/** Starts a proxy that sends a fixed prefix to the server before each client's bytes. */
export function startPrefixingProxy(target: number, prefix: Uint8Array): Promise<TcpProxy> {
  return startTcpProxy(target, (client, server) => {
    server.write(prefix);
    pipeBoth(client, server);
  });
}
