import type { IncomingMessage, ServerResponse } from "node:http";
import type { RouteFinder } from "../../dialects/routes.js";
import { refuseMethod } from "../http/methods.js";
import { refuseRequest } from "./refuse.js";

/** Source: RFC 9110 §15.5.22. */
const UPGRADE_REQUIRED = 426;

/** Whether a path is a WebSocket path, even when the token in it is malformed. */
export function isWebSocketPath(routeAt: RouteFinder, path: string): boolean {
  try {
    return routeAt(path) !== undefined;
  } catch {
    return true;
  }
}

/**
 * Answers a plain request on a WebSocket path with 426. The answer names the missing headers, because proxies drop the
 * headers of an upgrade unless they are configured to forward them.
 */
export function requireUpgrade(request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    refuseMethod(request.method, response, "GET");
    return;
  }
  response.setHeader("upgrade", "websocket");
  // Required with every Upgrade header (RFC 9110 §7.8).
  response.setHeader("connection", "upgrade");
  const missing = findMissingHeaders(request).join(", ");
  const message = `WebSocket upgrade required: the request lacks ${missing}; a proxy in between must forward them`;
  refuseRequest(response, "failed_precondition", message, UPGRADE_REQUIRED);
}

function findMissingHeaders({ headers }: IncomingMessage): string[] {
  const tokens = (headers.connection ?? "").toLowerCase().split(",");
  return [
    ...(headers.upgrade?.toLowerCase() === "websocket" ? [] : ["Upgrade: websocket"]),
    ...(tokens.some((token) => token.trim() === "upgrade") ? [] : ["Connection: Upgrade"]),
    ...(headers["sec-websocket-key"] === undefined ? ["Sec-WebSocket-Key"] : []),
    ...(headers["sec-websocket-version"] === undefined ? ["Sec-WebSocket-Version: 13"] : []),
  ];
}
