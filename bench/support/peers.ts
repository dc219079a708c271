import { once } from "node:events";
import { WebSocket } from "ws";
import { Child } from "./child.js";
import { Contender, type Entry } from "./contender.js";

export interface PeerOptions {
  readonly name: string;
  /** Script in bench/servers/, without its extension. */
  readonly script: string;
  readonly path?: string;
  readonly answers?: number;
  readonly flags?: readonly string[];
}

/** Starts a server for comparison. Its publisher has its own WebSocket, with one frame per turn. */
export async function startPeer({ answers = 1, flags, name, path = "/", script }: PeerOptions): Promise<Contender> {
  const server = new Child(`servers/${script}.js`, flags);
  const { port } = await server.ask<{ readonly port: number }>("start");
  const publisher = new WebSocket(`ws://127.0.0.1:${port}/publish`, { perMessageDeflate: false });
  await once(publisher, "open");
  return new Contender({
    name,
    server,
    port,
    path,
    answers,
    publish: (entries) => publishTo(publisher, entries),
    end: () => {
      publisher.terminate();
    },
  });
}

/** Publishes messages and waits for the answer; the server answers in order. */
function publishTo(publisher: WebSocket, entries: readonly Entry[]): Promise<void> {
  return new Promise((resolve) => {
    publisher.once("message", () => {
      resolve();
    });
    publisher.send(JSON.stringify(entries));
  });
}

export const wsLoop = (flags?: readonly string[]): Promise<Contender> =>
  startPeer({ name: "ws send loop", script: "ws-loop", ...(flags && { flags }) });

export const rawSockets = (): Promise<Contender> => startPeer({ name: "raw sockets, prebuilt frame", script: "raw" });

export const wsMap = (): Promise<Contender> => startPeer({ name: "map of ws sockets", script: "ws-map" });

/** Starts Socket.IO. Its clients open the transport and send `40`; the handshakes of Engine.IO and Socket.IO answer. */
export const socketIo = (): Promise<Contender> =>
  startPeer({
    name: "Socket.IO room",
    script: "socketio",
    path: "/socket.io/?EIO=4&transport=websocket",
    answers: 2,
  });
