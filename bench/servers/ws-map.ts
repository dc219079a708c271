import { type WebSocket, WebSocketServer } from "ws";
import { joined, messageText, servePeer, topicsAsked } from "../support/peer-server.js";

/** What one would write by hand where each client has a topic of its own. */
const clients = new Map<string, WebSocket>();
const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });

servePeer({
  upgrade(request, socket, head) {
    server.handleUpgrade(request, socket, head, (client) => {
      client.on("message", (data: Buffer) => {
        const asked = topicsAsked(data.toString());
        for (const topic of asked) clients.set(topic, client);
        client.on("close", () => {
          for (const topic of asked) clients.delete(topic);
        });
        client.send(joined(asked));
      });
      client.on("error", () => {});
    });
  },
  deliver(entries) {
    for (const entry of entries) clients.get(entry[0])?.send(messageText(entry));
  },
});
