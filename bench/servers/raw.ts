import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { plainText } from "../support/frames.js";
import { joinAnswer, messageText, servePeer } from "../support/peer-server.js";

/**
 * Runs the minimum that Node can do: it builds a turn's frames once and writes them to each socket, without any checks. All
 * clients are in the topic t0.
 */
const sockets = new Set<Duplex>();
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

servePeer({
  upgrade(request, socket) {
    const key = request.headers["sec-websocket-key"] ?? "";
    const accept = createHash("sha1").update(`${key}${GUID}`).digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
    );
    socket.once("data", () => {
      socket.write(plainText(joinAnswer([])));
      sockets.add(socket);
      socket.resume();
    });
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  },
  deliver(entries) {
    const frames = Buffer.concat(
      entries.filter(([topic]) => topic === "t0").map((entry) => plainText(messageText(entry))),
    );
    if (frames.length === 0) return;
    for (const socket of sockets) socket.write(frames);
  },
});
