import type { ConfigInput } from "../../../../src/index.js";
import { SECRET } from "../../../access/jwts.js";
import { publish } from "../../../support/backends/publish.js";
import { StockClient, type StockOptions } from "../../../support/clients/socket-io.js";
import { startTcpProxy, type TcpProxy } from "../../../support/net/tcp-proxy.js";
import type { TestNode } from "../../../support/nodes/node.js";

/** Topics `room.*` and `staff.*` have a history, all others have none. */
export const VHOST = {
  history: { chat: { messages: 100, age: "10m", storage: "memory" } },
  topics: [
    { match: "room.*", history: "chat" },
    { match: "present.*", history: "chat", presence: true },
    { match: "staff.>", access: "private", history: "chat" },
  ],
  jwt: { secret: SECRET },
  tokens: { secret: "recovery".repeat(16) },
  socketio: { recovery: true, spectate: { topics: ["room.{id}"], logs: ["room.{id}_logs"] } },
} as const satisfies NonNullable<ConfigInput["vhosts"]>[string];

export const CONFIG: ConfigInput = { vhosts: { "/": VHOST } };

/** Stock client whose connection a test can cut. */
export class ReturningClient extends StockClient {
  readonly proxy: TcpProxy;

  constructor(proxy: TcpProxy, options: StockOptions, path: string) {
    super(`http://127.0.0.1:${proxy.port}${path}`, options);
    this.proxy = proxy;
  }

  get recovered(): boolean {
    // Undefined, against its type, where the node has offered no recovery.
    return (this.socket as { readonly recovered?: boolean }).recovered ?? false;
  }

  /** Cuts the connection. No packet announces it. */
  async lose(): Promise<void> {
    this.proxy.shut();
    await this.ended.next();
  }

  async comeBack(): Promise<this> {
    this.proxy.open();
    this.socket.connect();
    return this.connected();
  }

  /** Returns the next message, without offsets. Skips the reasons for which a node has ended the connection. */
  async nextMessage(): Promise<unknown> {
    for (;;) {
      const { event, value } = await this.heard.next();
      if (event !== "carillon.offset" && event !== "error") return Array.isArray(value) ? value[0] : value;
    }
  }

  /** Returns the next messages. */
  async messages(count: number): Promise<unknown[]> {
    const values: unknown[] = [];
    while (values.length < count) values.push(await this.nextMessage());
    return values;
  }

  /** Members that the client sends when it comes back. */
  get state(): { pid?: string; offset?: string } {
    const { _lastOffset: offset, _pid: pid } = this.socket as unknown as { _pid?: string; _lastOffset?: string };
    return { ...(pid !== undefined && { pid }), ...(offset !== undefined && { offset }) };
  }

  set state({ offset, pid }: { pid?: string | undefined; offset?: string | undefined }) {
    Object.assign(this.socket, { _pid: pid, _lastOffset: offset });
  }
}

/** Connects a stock client to a node, through a proxy. */
export async function connectReturning(node: TestNode, options: StockOptions = {}, path = "/") {
  const proxy = await startTcpProxy(Number(new URL(node.http).port));
  return new ReturningClient(proxy, options, path).connected();
}

/** Publishes numbers on a topic. */
export async function say(node: TestNode, topic: string, ...payloads: readonly (number | string)[]): Promise<void> {
  await publish(
    node,
    payloads.map((payload) => ({ topics: [topic], payload: JSON.stringify(payload) })),
  );
}
