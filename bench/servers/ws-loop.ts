import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { answer } from "../support/child.js";

/**
 * What one would write by hand: every message sent to every client in a loop. Messages come by a WebSocket of their
 * own, a JSON list of texts per turn, so that this server too gets them from another process.
 */
const clients = new Set<WebSocket>();
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });

server.on("connection", (webSocket, request) => {
  if (request.url !== "/publish") {
    clients.add(webSocket);
    return;
  }
  webSocket.on("message", (data: Buffer) => {
    for (const payload of JSON.parse(data.toString()) as string[]) {
      const text = `{"topic":"bench","payload":${JSON.stringify(payload)}}`;
      for (const client of clients) client.send(text);
    }
    webSocket.send("ok");
  });
});

answer({
  async start() {
    if (server.address() === null) await once(server, "listening");
    return { port: (server.address() as AddressInfo).port };
  },
});
