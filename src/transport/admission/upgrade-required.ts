import type { IncomingMessage, ServerResponse } from "node:http";
import type { RouteFinder } from "../../dialects/routes.js";
import { refuseMethod } from "../http/methods.js";
import { refuseRequest } from "./refuse.js";

/** Source: RFC 9110 §15.5.22. */
const UPGRADE_REQUIRED = 426;

/** Whether a path is one of WebSockets. A malformed token in it says that one was meant. */
export function isWebSocketPath(routeAt: RouteFinder, path: string): boolean {
  try {
    return routeAt(path) !== undefined;
  } catch {
    return true;
  }
}

/**
 * Answers a plain request on the path of a WebSocket with 426 and the names of the headers that it lacks: proxies drop those of
 * an upgrade unless they are told to pass them on.
 */
export function requireUpgrade(request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    refuseMethod(request.method, response, "GET");
    return;
  }
  response.setHeader("upgrade", "websocket");
  // As every Upgrade header needs (RFC 9110 §7.8).
  response.setHeader("connection", "upgrade");
  const lacks = missing(request).join(", ");
  const message = `this path speaks WebSocket, but the request lacks ${lacks}: a proxy on the way has to pass them on`;
  refuseRequest(response, "failed_precondition", message, UPGRADE_REQUIRED);
}

function missing({ headers }: IncomingMessage): string[] {
  const tokens = (headers.connection ?? "").toLowerCase().split(",");
  return [
    ...(headers.upgrade?.toLowerCase() === "websocket" ? [] : ["Upgrade: websocket"]),
    ...(tokens.some((token) => token.trim() === "upgrade") ? [] : ["Connection: Upgrade"]),
    ...(headers["sec-websocket-key"] === undefined ? ["Sec-WebSocket-Key"] : []),
    ...(headers["sec-websocket-version"] === undefined ? ["Sec-WebSocket-Version: 13"] : []),
  ];
}
