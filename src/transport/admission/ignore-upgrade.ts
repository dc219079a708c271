import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";

/** Whether a client asks for WebSocket, and for nothing else. Only a GET can (RFC 6455 §4.1). */
export function asksForWebSocket({ headers, method }: IncomingMessage): boolean {
  return method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
}

/**
 * Goes on as if an upgrade had not been asked for, which a server may (RFC 9110 §7.8): Java's HTTP client and
 * `curl --http2` ask for h2c in every first request and mean a request all the same.
 *
 * Node gives no choice once it has seen the header (before v22.21), so the request is put back in front of its connection
 * without it, and the connection is handed to the server as a new one.
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
