import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type ErrorCode, HTTP_STATUS } from "../errors.js";

/** Answers a request with the reason as JSON. */
export function refuseRequest(response: ServerResponse, code: ErrorCode, message: string): void {
  response.writeHead(HTTP_STATUS[code], { "content-type": "application/json" });
  response.end(bodyOf(code, message));
}

/** Answers an upgrade with a plain HTTP response: the reason as JSON, and the end of the connection. */
export function refuseUpgrade(socket: Duplex, code: ErrorCode, message: string): void {
  const status = HTTP_STATUS[code];
  const body = bodyOf(code, message);
  socket.on("error", () => {
    // The peer may be gone already; there is nobody left to tell.
    socket.destroy();
  });
  // Nobody reads this socket any more: a peer that does not end its side, or whose end is never seen, would stay for ever.
  socket.once("finish", () => {
    socket.destroy();
  });
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
      "connection: close",
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n"),
  );
}

function bodyOf(code: ErrorCode, message: string): string {
  return `${JSON.stringify({ code, message })}\n`;
}
