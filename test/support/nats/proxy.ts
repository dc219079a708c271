import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { cleanUp } from "../clean-up.js";

type Side = "clients" | "server";

/** Stands between clients and a server, passes everything on, and counts what the clients ask for. */
export class NatsProxy {
  /**
   * How often clients sent each word that begins a line: PING, PUB, HPUB, SUB, UNSUB, … Payloads must not look so. What
   * nodes say to each other is not counted.
   */
  readonly sent = new Map<string, number>();
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #onLine: (() => void) | undefined;
  #held: { readonly side: Side; readonly passes: (() => void)[] } | undefined;
  readonly #server = createServer((client) => {
    this.#join(client);
  });

  constructor(target: number) {
    this.#target = target;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  count(word: string): number {
    return this.sent.get(word) ?? 0;
  }

  /** Resolves when clients have sent a word so often. */
  async passed(word: string, count: number): Promise<void> {
    while (this.count(word) < count) {
      await new Promise<void>((resolve) => {
        this.#onLine = resolve;
      });
    }
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

  /** From now on what one side says, the handshake excepted, is kept here until release(). */
  hold(side: Side): void {
    this.#held = { side, passes: [] };
  }

  /** Passes on what was kept. */
  release(): void {
    const passes = this.#held?.passes ?? [];
    this.#held = undefined;
    for (const pass of passes) pass();
  }

  /** Ends the connections that there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket): void {
    const server = connect(this.#target, "127.0.0.1");
    const seen = new PassThrough();
    let greeted = false;
    createInterface({ input: seen }).on("line", (line) => {
      const word = /^[A-Z]+/.exec(line)?.[0];
      if (word !== undefined && !line.includes(".$cluster.")) this.sent.set(word, this.count(word) + 1);
      this.#onLine?.();
    });
    client.on("data", (bytes) => {
      seen.write(bytes);
      this.#pass("clients", greeted, () => server.write(bytes));
    });
    server.on("data", (bytes) => {
      this.#pass("server", greeted, () => client.write(bytes));
      greeted ||= bytes.includes("PONG");
    });
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

  #pass(side: Side, greeted: boolean, pass: () => void): void {
    if (greeted && this.#held?.side === side) this.#held.passes.push(pass);
    else pass();
  }
}

/** Puts a proxy before a server that listens on a port of this machine; it is closed after the test. */
export async function startNatsProxy(target: number): Promise<NatsProxy> {
  const proxy = new NatsProxy(target);
  cleanUp(() => proxy.close());
  await proxy.listen();
  return proxy;
}
