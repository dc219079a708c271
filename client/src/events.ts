import { createEventSocket } from "./event-socket.js";
import type { WebSocketConstructor, WebSocketLike } from "./types.js";

/** Time for which WebSockets are not tried again, in milliseconds. */
const BLOCKED = 600_000;

export interface FallbackOptions {
  /** WebSocket to try first; `false`: never. Default: the global one. */
  readonly webSocket?: WebSocketConstructor | false;
  /** WebSockets that must fail in a row. A single failure may have any other cause. Default: 2. */
  readonly attempts?: number;
  /** URL of the streams. Default: that of the client, with `/events` in the place of `/ws`. */
  readonly url?: string | URL;
}

/**
 * Makes a value for the client's option `webSocket`: WebSockets, and where those are blocked streams of server-sent events, by
 * which the client listens and recovers. Commands that need a WebSocket are then refused with `unimplemented`: publishes, calls,
 * presence, and history other than the latest messages. The first connection after ten minutes tries a WebSocket again.
 */
export function createFallback({ attempts = 2, url, webSocket = globalThis.WebSocket }: FallbackOptions = {}) {
  let failures = 0;
  let blockedUntil = 0;

  // A function that returns an object may be called with `new`.
  return function fallback(target: string, protocols: string[] = []): WebSocketLike {
    if (webSocket && failures < attempts && Date.now() >= blockedUntil) {
      return watch(
        new webSocket(target, protocols),
        () => (failures = 0),
        () => (failures += 1),
      );
    }
    const streams = new URL(url ?? target, globalThis.location?.href);
    streams.protocol = streams.protocol.replace("ws", "http");
    streams.pathname = streams.pathname.replace(/\/ws(?=\/|$)/, "/events");
    streams.searchParams.set("meta", "1");
    failures = 0;
    return watch(
      createEventSocket(streams.href, protocols[1]),
      () => (blockedUntil = Date.now() + BLOCKED),
      () => {},
    );
  } as unknown as WebSocketConstructor;
}

/** Notices whether a connection opens. */
function watch(socket: WebSocketLike, opened: () => void, failed: () => void): WebSocketLike {
  let isOpen = false;
  socket.addEventListener("open", () => {
    isOpen = true;
    opened();
  });
  socket.addEventListener("close", () => isOpen || failed());
  return socket;
}
