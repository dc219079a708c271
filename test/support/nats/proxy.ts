import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { startTcpProxy, type TcpProxy } from "../net/tcp-proxy.js";

type Side = "clients" | "server";

/** A proxy between clients and a server that counts the clients' commands. */
export class NatsProxy {
  /**
   * Number of commands by name: PING, PUB, HPUB, SUB, UNSUB, … Payloads must not look like commands. Messages between
   * nodes are not counted.
   */
  readonly sent = new Map<string, number>();
  #proxy: TcpProxy | undefined;
  #onLine: (() => void)[] = [];
  #held: { readonly side: Side; readonly passes: (() => void)[] } | undefined;
  /** Called with the clients' bytes before they pass. */
  #onBytes: ((bytes: Buffer) => void) | undefined;

  /** @param target - port of the server */
  async start(target: number): Promise<void> {
    this.#proxy = await startTcpProxy(target, (client, server) => {
      this.#join(client, server);
    });
  }

  get url(): string {
    if (this.#proxy === undefined) throw new Error("the proxy has not been started");
    return this.#proxy.natsUrl;
  }

  count(command: string): number {
    return this.sent.get(command) ?? 0;
  }

  /** Resolves when clients have sent a command this many times. */
  async passed(command: string, count: number): Promise<void> {
    while (this.count(command) < count) {
      await new Promise<void>((resolve) => {
        this.#onLine.push(resolve);
      });
    }
  }

  /** Holds back one side's bytes, except the handshake, until `release`. */
  hold(side: Side): void {
    this.#held = { side, passes: [] };
  }

  /**
   * Holds back the clients' bytes from the first on that contain `text` and come after others that contain `after`. Resolves when
   * they have arrived.
   */
  holdFrom(text: string, { after }: { readonly after: string }): Promise<void> {
    let hasPassed = false;
    return new Promise((resolve) => {
      this.#onBytes = (bytes) => {
        if (hasPassed && bytes.includes(text)) {
          this.#onBytes = undefined;
          this.hold("clients");
          resolve();
        }
        hasPassed ||= bytes.includes(after);
      };
    });
  }

  /** Forwards the held bytes. */
  release(): void {
    const passes = this.#held?.passes ?? [];
    this.#held = undefined;
    for (const pass of passes) pass();
  }

  /** Ends the current connections. */
  cut(): void {
    this.#proxy?.cut();
  }

  #join(client: Socket, server: Socket): void {
    const seen = new PassThrough();
    let greeted = false;
    createInterface({ input: seen }).on("line", (line) => {
      const command = /^[A-Z]+/.exec(line)?.[0];
      if (command !== undefined && !line.includes(".$cluster.")) this.sent.set(command, this.count(command) + 1);
      for (const wake of this.#onLine.splice(0)) wake();
    });
    client.on("data", (bytes) => {
      seen.write(bytes);
      this.#onBytes?.(bytes);
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

/** Starts a proxy in front of a server on a port of this machine, and closes it after the test. */
export async function startNatsProxy(target: number): Promise<NatsProxy> {
  const proxy = new NatsProxy();
  await proxy.start(target);
  return proxy;
}
