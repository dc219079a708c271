import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { HttpRefusal } from "../../access/hooks/http-refusal.js";
import { CarillonError, type ErrorCode, HTTP_STATUS, retryAfterSeconds } from "../../errors.js";
import type { UpgradeHandler } from "../http/http-listener.js";

type Header = readonly [name: string, value: string];

/** Answers a request with an error as JSON. */
export function refuseRequest(
  response: ServerResponse,
  code: ErrorCode,
  message: string,
  status = HTTP_STATUS[code],
): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(createBody(code, message));
}

/** Answers a request with an error: the backend's own response for an {@link HttpRefusal}, otherwise the error as JSON. */
export function refuseRequestWith(response: ServerResponse, error: CarillonError): void {
  if (error instanceof HttpRefusal) {
    for (const [name, value] of error.headers) response.appendHeader(name, value);
    response.writeHead(error.status);
    response.end(error.body);
    return;
  }
  for (const [name, value] of listErrorHeaders(error)) response.setHeader(name, value);
  refuseRequest(response, error.code, error.message);
}

/** Answers an upgrade with a plain HTTP response that carries the error as JSON, and closes the connection. */
export function refuseUpgrade(socket: Duplex, code: ErrorCode, message: string): void {
  refuseUpgradeWith(socket, new CarillonError(code, message));
}

/** Refuses all upgrades, on a port without WebSockets. */
export const NO_UPGRADES: UpgradeHandler = {
  upgrade: (_request, url, socket) => {
    refuseUpgrade(socket, "not_found", `no WebSocket endpoint at ${url.pathname}`);
  },
};

/**
 * Refuses an upgrade with an error: the backend's own response for an {@link HttpRefusal}, otherwise the error as JSON.
 */
export function refuseUpgradeWith(socket: Duplex, error: CarillonError): void {
  if (error instanceof HttpRefusal) {
    end(socket, error.status, error.headers, error.body);
    return;
  }
  const headers: Header[] = [["content-type", "application/json"], ...listErrorHeaders(error)];
  end(socket, HTTP_STATUS[error.code], headers, Buffer.from(createBody(error.code, error.message)));
}

function listErrorHeaders(error: CarillonError): Header[] {
  const retryAfter = retryAfterSeconds(error);
  return [
    ...(error.code === "unauthenticated" ? [["www-authenticate", "Bearer"] as const] : []),
    ...(retryAfter === undefined ? [] : [["retry-after", String(retryAfter)] as const]),
  ];
}

function end(socket: Duplex, status: number, headers: readonly Header[], body: Uint8Array): void {
  socket.on("error", () => {
    // The peer may have disconnected already.
    socket.destroy();
  });
  // The socket is no longer read, so without this a peer that does not close its side would stay connected forever.
  socket.once("finish", () => {
    socket.destroy();
  });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "connection: close",
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
  ];
  socket.end(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body]));
}

function createBody(code: ErrorCode, message: string): string {
  return `${JSON.stringify({ code, message })}\n`;
}
