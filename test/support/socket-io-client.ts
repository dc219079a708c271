import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { withResolvers } from "../../src/util/with-resolvers.js";
import { cleanUp } from "./clean-up.js";
import { Queue } from "./queue.js";

export type Transport = "polling" | "websocket";

export const TRANSPORTS: readonly Transport[] = ["polling", "websocket"];

export type StockOptions = Partial<ManagerOptions & SocketOptions>;

/** What an event said. */
export interface HeardEvent {
  readonly event: string;
  readonly value: unknown;
}

/** The stock client, which keeps what it hears until somebody asks for it. */
export class StockClient {
  readonly socket: Socket;
  readonly heard = new Queue<HeardEvent>();
  /** Why it was disconnected, each time. */
  readonly ended = new Queue<string>();

  constructor(url: string, options: StockOptions) {
    this.socket = io(url, { forceNew: true, reconnection: false, ...options });
    this.socket.onAny((event: string, ...values: unknown[]) => {
      this.heard.push({ event, value: values.length === 1 ? values[0] : values });
    });
    this.socket.on("disconnect", (reason) => this.ended.push(reason));
    cleanUp(() => {
      this.socket.disconnect();
      this.socket.io.engine.close();
    });
  }

  /** The session's id. */
  get id(): string {
    return this.socket.id ?? "";
  }

  async connected(): Promise<this> {
    if (this.socket.connected) return this;
    const { promise, reject, resolve } = withResolvers<this>();
    this.socket.once("connect", () => resolve(this));
    this.socket.once("connect_error", reject);
    return promise;
  }

  /** Sends an event and gives the acknowledgement. */
  ask(event: string, ...values: readonly unknown[]): Promise<unknown> {
    return this.socket.emitWithAck(event, ...values);
  }

  emit(event: string, ...values: readonly unknown[]): void {
    this.socket.emit(event, ...values);
  }
}

/** A stock client at an address, with a namespace as its path; it is disconnected after the test. */
export function stockClient(url: string, options: StockOptions = {}): StockClient {
  return new StockClient(url, options);
}

export function connectStock(url: string, options: StockOptions = {}): Promise<StockClient> {
  return stockClient(url, options).connected();
}
