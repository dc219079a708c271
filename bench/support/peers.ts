import { once } from "node:events";
import { WebSocket } from "ws";
import { Child } from "./child.js";
import { Contender, type Entry } from "./contender.js";

export interface PeerOptions {
  readonly name: string;
  /** In bench/servers/, without its ending. */
  readonly script: string;
  readonly path?: string;
  readonly answers?: number;
  readonly flags?: readonly string[];
}

/** A server to compare with. Its publisher comes by a WebSocket of its own, one frame a turn. */
export async function peer({ answers = 1, flags, name, path = "/", script }: PeerOptions): Promise<Contender> {
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
    publish: (entries) => taken(publisher, entries),
    end: () => {
      publisher.terminate();
    },
  });
}

/** The server answers in the order in which it is asked. */
function taken(publisher: WebSocket, entries: readonly Entry[]): Promise<void> {
  return new Promise((resolve) => {
    publisher.once("message", () => {
      resolve();
    });
    publisher.send(JSON.stringify(entries));
  });
}

export const wsLoop = (flags?: readonly string[]): Promise<Contender> =>
  peer({ name: "ws send loop", script: "ws-loop", ...(flags && { flags }) });

export const rawSockets = (): Promise<Contender> => peer({ name: "raw sockets, prebuilt frame", script: "raw" });

export const wsMap = (): Promise<Contender> => peer({ name: "map of ws sockets", script: "ws-map" });

/** Its clients open the transport and say `40`, to which Engine.IO's and Socket.IO's handshakes answer. */
export const socketIo = (): Promise<Contender> =>
  peer({
    name: "Socket.IO room",
    script: "socketio",
    path: "/socket.io/?EIO=4&transport=websocket",
    answers: 2,
  });
