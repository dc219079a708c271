import { io as io4, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import io2 from "socket.io-client-2";
import { io as io3 } from "socket.io-client-3";
import { withResolvers } from "../../../src/util/with-resolvers.js";
import { cleanUp } from "../clean-up.js";
import { Queue } from "../queue.js";

export type Transport = "polling" | "websocket";

export const TRANSPORTS: readonly Transport[] = ["polling", "websocket"];

/** Client libraries by version; 2.3.0 uses Engine.IO 3. */
const LIBRARIES = { "2.3.0": io2, "3.1.3": io3, "4.x": io4 } as const;

export type StockVersion = keyof typeof LIBRARIES;

export const VERSIONS = Object.keys(LIBRARIES) as StockVersion[];

export type StockOptions = Partial<ManagerOptions & SocketOptions> & {
  /** Version of the library; default: the newest. */
  readonly version?: StockVersion;
};

/** Received event and its value. */
export interface HeardEvent {
  readonly event: string;
  readonly value: unknown;
}

/** Client of Socket.IO, independent of its library. */
export interface SocketIoClient {
  readonly heard: Queue<HeardEvent>;
  /** Reasons of its disconnects. */
  readonly ended: Queue<string>;
  /** Sends an event and returns the acknowledgement. */
  ask(event: string, ...values: readonly unknown[]): Promise<unknown>;
  emit(event: string, ...values: readonly unknown[]): void;
}

/** Stock client that keeps events until a test reads them. */
export class StockClient implements SocketIoClient {
  readonly socket: Socket;
  readonly heard = new Queue<HeardEvent>();
  readonly ended = new Queue<string>();

  constructor(url: string, { version = "4.x", ...options }: StockOptions) {
    const given = version === "2.3.0" ? withoutAuth(options) : options;
    this.socket = LIBRARIES[version](url, { forceNew: true, reconnection: false, ...given });
    onEvents(this.socket, (event, ...values) => {
      this.heard.push({ event, value: values.length === 1 ? values[0] : values });
    });
    this.socket.on("disconnect", (reason) => this.ended.push(reason));
    cleanUp(async () => {
      const { engine } = this.socket.io;
      const closed = new Promise<unknown>((resolve) => {
        engine.once("close", resolve);
      });
      this.socket.disconnect();
      engine.close();
      if (engine.readyState !== "closed") await closed;
      // A polling client announces its disconnect in a request. This round trip lets it arrive, because a node that stops
      // earlier waits for the next poll.
      await fetch(new URL("/healthz", url)).catch(() => undefined);
    });
  }

  /** Id of the session; it differs with Engine.IO 3. */
  get id(): string {
    return this.socket.id ?? "";
  }

  async connected(): Promise<this> {
    if (this.socket.connected) return this;
    const { promise, reject, resolve } = withResolvers<this>();
    this.socket.once("connect", () => resolve(this));
    this.socket.once("connect_error", reject);
    // In Engine.IO 3, this packet refuses the client.
    (this.socket as unknown as NodeJS.EventEmitter).once("error", (data: { readonly message: string }) => {
      reject(Object.assign(new Error(data.message), { data }));
    });
    return promise;
  }

  ask(event: string, ...values: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve) => {
      this.socket.emit(event, ...values, resolve);
    });
  }

  emit(event: string, ...values: readonly unknown[]): void {
    this.socket.emit(event, ...values);
  }
}

/** Connects a stock client to a URL whose path is the namespace; it is disconnected after the test. */
export function stockClient(url: string, options: StockOptions = {}): StockClient {
  return new StockClient(url, options);
}

export function connectStock(url: string, options: StockOptions = {}): Promise<StockClient> {
  return stockClient(url, options).connected();
}

/** Clients of Engine.IO 3 send no payload when they connect, so the token is in a header. */
function withoutAuth({ auth, ...options }: StockOptions): StockOptions {
  const token = typeof auth === "object" ? (auth["token"] as unknown) : undefined;
  if (typeof token !== "string") return options;
  return { ...options, extraHeaders: { authorization: `Bearer ${token}`, ...options.extraHeaders } };
}

/** 2.3.0 has no `onAny`. */
function onEvents(socket: Socket, listener: (event: string, ...values: unknown[]) => void): void {
  if (typeof socket.onAny === "function") {
    socket.onAny(listener);
    return;
  }
  const inside = socket as unknown as { onevent(packet: { readonly data: [string, ...unknown[]] }): void };
  const onEvent = inside.onevent.bind(socket);
  inside.onevent = (packet) => {
    listener(...packet.data);
    onEvent(packet);
  };
}
