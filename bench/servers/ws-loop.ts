import { WebSocket, WebSocketServer } from "ws";
import { joined, messageText, servePeer, topicsAsked } from "../support/peer-server.js";

/** What one would write by hand: every message sent to every client of its topic in a loop. */
const topics = new Map<string, Set<WebSocket>>();
const clients = new WebSocketServer({ noServer: true, perMessageDeflate: false });

clients.on("connection", (client: WebSocket) => {
  let asked: readonly string[] = [];
  client.on("message", (data: Buffer) => {
    asked = topicsAsked(data.toString());
    for (const topic of asked) {
      const members = topics.get(topic) ?? new Set();
      topics.set(topic, members.add(client));
    }
    client.send(joined(asked));
  });
  client.on("error", () => {});
  client.on("close", () => {
    for (const topic of asked) topics.get(topic)?.delete(client);
  });
});

servePeer({
  upgrade(request, socket, head) {
    clients.handleUpgrade(request, socket, head, (client) => clients.emit("connection", client, request));
  },
  deliver(entries) {
    for (const entry of entries) {
      const text = messageText(entry);
      for (const client of topics.get(entry[0]) ?? []) {
        if (client.readyState === WebSocket.OPEN) client.send(text);
      }
    }
  },
});
