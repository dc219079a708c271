import { type WebSocket, WebSocketServer } from "ws";
import { joinAnswer, messageText, readTopics, servePeer } from "../support/peer-server.js";

/** Runs a hand-written server for clients that each have their own topic. */
const clients = new Map<string, WebSocket>();
const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });

servePeer({
  upgrade(request, socket, head) {
    server.handleUpgrade(request, socket, head, (client) => {
      client.on("message", (data: Buffer) => {
        const topics = readTopics(data.toString());
        for (const topic of topics) clients.set(topic, client);
        client.on("close", () => {
          for (const topic of topics) clients.delete(topic);
        });
        client.send(joinAnswer(topics));
      });
      client.on("error", () => {});
    });
  },
  deliver(entries) {
    for (const entry of entries) clients.get(entry[0])?.send(messageText(entry));
  },
});
