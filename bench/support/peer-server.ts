import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { answer } from "./child.js";
import type { Entry } from "./contender.js";

export interface PeerServer {
  /** Handles a client's upgrade. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Delivers the messages of a turn. */
  readonly deliver: (entries: readonly Entry[]) => void;
  readonly server?: Server;
}

/** Serves a server for comparison. Its publisher also connects by WebSocket, from another process. */
export function servePeer({ deliver, server = createServer(), upgrade }: PeerServer): void {
  const publishers = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.prependListener("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url !== "/publish") {
      upgrade?.(request, socket, head);
      return;
    }
    publishers.handleUpgrade(request, socket, head, (publisher) => {
      publisher.on("message", (data: Buffer) => {
        deliver(JSON.parse(data.toString()) as Entry[]);
        publisher.send("ok");
      });
    });
  });
  answer({
    async start() {
      server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 });
      await once(server, "listening");
      return { port: (server.address() as AddressInfo).port };
    },
  });
}

/** Reads the topics of a join command. */
export function readTopics(text: string): readonly string[] {
  return (JSON.parse(text) as { readonly topics: readonly string[] }).topics;
}

/** Creates Carillon's answer to a join command. */
export function joinAnswer(topics: readonly string[]): string {
  return JSON.stringify({ topic: "@join", payload: topics });
}

/** Creates the text of a message, which is the same for all servers. */
export function messageText([topic, payload]: Entry): string {
  return `{"topic":${JSON.stringify(topic)},"payload":${JSON.stringify(payload)}}`;
}
