import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";

/** Whether a request upgrades to WebSocket and to nothing else. Only a GET can (RFC 6455 §4.1). */
export function isWebSocketUpgrade({ headers, method }: IncomingMessage): boolean {
  return method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
}

/**
 * Handles a request without its upgrade, which a server may ignore (RFC 9110 §7.8): Java's HTTP client and `curl
 * --http2` offer h2c in every first request.
 *
 * Node before v22.21 cannot ignore the header, so the request is put back on its socket without it, and the socket is
 * given to the server as a new connection.
 */
export function ignoreUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { httpVersion, method, rawHeaders, url } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let position = 0; position + 1 < rawHeaders.length; position += 2) {
    const name = rawHeaders[position] ?? "";
    if (name.toLowerCase() !== "upgrade") lines.push(`${name}: ${rawHeaders[position + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
  server.emit("connection", socket);
}
