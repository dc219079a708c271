import { WebSocket, WebSocketServer } from "ws";
import { joinAnswer, messageText, readTopics, servePeer } from "../support/peer-server.js";

/** Runs a hand-written server that sends every message to the clients of its topic in a loop. */
const topics = new Map<string, Set<WebSocket>>();
const clients = new WebSocketServer({ noServer: true, perMessageDeflate: false });

clients.on("connection", (client: WebSocket) => {
  let joinedTopics: readonly string[] = [];
  client.on("message", (data: Buffer) => {
    joinedTopics = readTopics(data.toString());
    for (const topic of joinedTopics) {
      const members = topics.get(topic) ?? new Set();
      topics.set(topic, members.add(client));
    }
    client.send(joinAnswer(joinedTopics));
  });
  client.on("error", () => {});
  client.on("close", () => {
    for (const topic of joinedTopics) topics.get(topic)?.delete(client);
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
