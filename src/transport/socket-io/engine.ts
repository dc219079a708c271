import { Server as Engine } from "engine.io";
import { Server } from "socket.io";
import { type ServerOptions, WebSocketServer } from "ws";
import type { OpenRequestLease } from "../../net/byte-budget.js";
import { receiverLimits } from "../receiver-limits.js";
import { countUnfinished } from "../unfinished-message.js";
import { CLOSE_TIMEOUT, IDLE_TIMEOUT } from "./line.js";
import { type DecodedClient, packetParser } from "./parser.js";

export interface EngineSettings {
  /** Largest message of a client, and largest request of one that polls, in bytes. */
  readonly frameBytes: number;
  /** In milliseconds. */
  readonly ping: { readonly interval: number; readonly timeout: number };
  /** For what is received of a WebSocket's message before it is whole. */
  readonly openLease: OpenRequestLease;
}

/** Engine.IO for whoever brings it requests and upgrades. */
export function createEngine({ frameBytes, openLease, ping }: EngineSettings): Engine {
  return new Engine({
    transports: ["polling", "websocket"],
    allowEIO3: true,
    pingInterval: ping.interval,
    pingTimeout: ping.timeout,
    maxHttpBufferSize: frameBytes,
    // Sinks have to know what the peer has taken, and write ready-made frames: both go without compression only.
    perMessageDeflate: false,
    httpCompression: false,
    wsEngine: webSocketServer(frameBytes, openLease),
  });
}

/**
 * Socket.IO over it. Namespaces that nobody is in are forgotten: vhosts come and go.
 * @param clientOf - the client of the connection that the library hears of just now
 */
export function createSocketIo(frameBytes: number, clientOf: () => DecodedClient | undefined): Server {
  return new Server({
    serveClient: false,
    connectTimeout: IDLE_TIMEOUT,
    cleanupEmptyChildNamespaces: true,
    parser: packetParser(frameBytes, clientOf),
  });
}

/** This project's WebSocket library in the place of the engine's own, with the limits that it has for all. */
function webSocketServer(
  frameBytes: number,
  openLease: OpenRequestLease,
): new (
  options: ServerOptions,
) => WebSocketServer {
  return class extends WebSocketServer {
    constructor(options: ServerOptions) {
      // The library's type definitions lack some of its options.
      const all: ServerOptions & { closeTimeout: number } = {
        ...options,
        ...receiverLimits(frameBytes),
        closeTimeout: CLOSE_TIMEOUT,
      };
      super(all);
    }

    override handleUpgrade(...[request, socket, head, callback]: Parameters<WebSocketServer["handleUpgrade"]>): void {
      super.handleUpgrade(request, socket, head, (webSocket, from) => {
        countUnfinished(webSocket, socket, openLease(request, undefined));
        callback(webSocket, from);
      });
    }
  };
}
