import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Server as Engine } from "engine.io";
import { Server } from "socket.io";
import { type ServerOptions, WebSocket, WebSocketServer } from "ws";
import { toCloseFrame } from "../../../errors.js";
import type { OpenRequestLease } from "../../../net/byte-budget.js";
import type { MessageDeadlines } from "../../../transport/receiving/message-deadlines.js";
import { MessageMeter } from "../../../transport/receiving/message-meter.js";
import { createReceiverLimits } from "../../../transport/receiving/receiver-limits.js";
import { CLOSE_TIMEOUT, IDLE_TIMEOUT } from "./engine-connection.js";
import { type DecodedClient, packetParser } from "./parser.js";

export interface EngineSettings {
  /** Number of this process, which its connections' ids contain; undefined for the only process. */
  readonly process: number | undefined;
  /** Largest message of a WebSocket client, and largest request of a polling client, in bytes. */
  readonly frameBytes: number;
  /** Interval and timeout of pings, in milliseconds. */
  readonly ping: { readonly interval: number; readonly timeout: number };
  /** Counts the bytes of a connection's messages. */
  readonly openLease: OpenRequestLease;
  readonly deadlines: MessageDeadlines;
}

/** WebSocket of the library, with the meter of its messages. */
export class EngineWebSocket extends WebSocket {
  meter: MessageMeter | undefined = undefined;
}

/** Creates Engine.IO without a port; the caller passes on requests and upgrades. */
export function createEngine(settings: EngineSettings): Engine {
  const { frameBytes, ping, process } = settings;
  const engine = new Engine({
    transports: ["polling", "websocket"],
    allowEIO3: true,
    pingInterval: ping.interval,
    pingTimeout: ping.timeout,
    maxHttpBufferSize: frameBytes,
    // Compression must be off, because sinks write encoded frames and count the bytes that the peer has received.
    perMessageDeflate: false,
    httpCompression: false,
    wsEngine: webSocketServer(settings),
  });
  if (process !== undefined) {
    const generateId = engine.generateId.bind(engine);
    engine.generateId = async (request) => `${await generateId(request)}.${process}`;
  }
  return engine;
}

/** Returns the process that a connection's id names; undefined for none. */
export function findProcess(sid: string): number | undefined {
  const [, digits] = /\.([1-9]\d{0,3})$/.exec(sid) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Creates Socket.IO. It removes namespaces without clients, because vhosts are created and deleted.
 * @param clientOf - returns the client of the newest connection
 */
export function createSocketIo(frameBytes: number, clientOf: () => DecodedClient | undefined): Server {
  return new Server({
    serveClient: false,
    connectTimeout: IDLE_TIMEOUT,
    cleanupEmptyChildNamespaces: true,
    parser: packetParser(frameBytes, clientOf),
  });
}

/** Creates the class of the WebSocket server. It applies the limits that all WebSockets of the node have. */
function webSocketServer(settings: EngineSettings): new (options: ServerOptions) => WebSocketServer {
  return class extends WebSocketServer {
    constructor(options: ServerOptions) {
      // The library's type definitions lack some of its options.
      const all: ServerOptions & { closeTimeout: number } = {
        ...options,
        ...createReceiverLimits(settings.frameBytes),
        closeTimeout: CLOSE_TIMEOUT,
        WebSocket: EngineWebSocket,
      };
      super(all);
    }

    override handleUpgrade(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      onUpgraded: (webSocket: WebSocket, request: IncomingMessage) => void,
    ): void {
      super.handleUpgrade(request, socket, head, (webSocket) => {
        meter(webSocket as EngineWebSocket, request, socket, settings);
        onUpgraded(webSocket, request);
      });
    }
  };
}

function meter(
  webSocket: EngineWebSocket,
  request: IncomingMessage,
  socket: Duplex,
  { deadlines, openLease }: EngineSettings,
): void {
  const messages = new MessageMeter({
    webSocket,
    socket,
    lease: openLease(request, undefined),
    deadlines,
    onCut: (reason) => {
      webSocket.close(...toCloseFrame(reason));
      socket.end();
    },
  });
  webSocket.meter = messages;
  webSocket.on("message", () => {
    messages.complete();
  });
}
