import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type ErrorCode, HTTP_STATUS } from "../errors.js";

/** Answers an upgrade with a plain HTTP response: the reason as JSON, and the end of the connection. */
export function refuseUpgrade(socket: Duplex, code: ErrorCode, message: string): void {
  const status = HTTP_STATUS[code];
  const body = JSON.stringify({ code, message });
  socket.on("error", () => {
    // The peer may be gone already; there is nobody left to tell.
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
