import { createServer } from "node:http";
import { Server } from "socket.io";
import { servePeer } from "../support/peer-server.js";

/** Runs Socket.IO like its documentation: every client in a room, messages emitted to the room. */
const server = createServer();
// By default it closes upgrades on other paths, such as the publisher's.
const io = new Server(server, { transports: ["websocket"], destroyUpgrade: false, pingInterval: 600_000 });

io.on("connection", (socket) => {
  void socket.join("t0");
});

servePeer({
  server,
  deliver(entries) {
    for (const [topic, payload] of entries) io.to(topic).emit("message", payload);
  },
});
