import { createServer } from "node:http";
import { Server } from "socket.io";
import { servePeer } from "../support/peer-server.js";

/** Socket.IO as its documentation shows it: every client in a room, messages emitted to the room. */
const server = createServer();
// It ends upgrades on other paths after a while; the publisher's is none of its own.
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
