import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { startTcpProxy, type TcpProxy } from "../net/tcp-proxy.js";

type Side = "clients" | "server";

/** Stands between clients and a server, passes everything on, and counts what the clients ask for. */
export class NatsProxy {
  /**
   * How often clients sent each word that begins a line: PING, PUB, HPUB, SUB, UNSUB, … Payloads must not look so. What
   * nodes say to each other is not counted.
   */
  readonly sent = new Map<string, number>();
  #proxy: TcpProxy | undefined;
  #onLine: (() => void) | undefined;
  #held: { readonly side: Side; readonly passes: (() => void)[] } | undefined;

  /** @param target - the server's port */
  async start(target: number): Promise<void> {
    this.#proxy = await startTcpProxy(target, (client, server) => {
      this.#join(client, server);
    });
  }

  get url(): string {
    if (this.#proxy === undefined) throw new Error("the proxy has not been started");
    return this.#proxy.natsUrl;
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

  /** Ends the present connections. */
  cut(): void {
    this.#proxy?.cut();
  }

  #join(client: Socket, server: Socket): void {
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
  }

  #pass(side: Side, greeted: boolean, pass: () => void): void {
    if (greeted && this.#held?.side === side) this.#held.passes.push(pass);
    else pass();
  }
}

/** Puts a proxy before a server that listens on a port of this machine; it is closed after the test. */
export async function startNatsProxy(target: number): Promise<NatsProxy> {
  const proxy = new NatsProxy();
  await proxy.start(target);
  return proxy;
}
