import { createEventSocket, isReachable } from "./event-socket.js";
import type { WebSocketConstructor, WebSocketLike } from "./types.js";

export interface FallbackOptions {
  /** WebSocket to try first; `false`: never. Default: the global one. */
  readonly webSocket?: WebSocketConstructor | false;
  /** WebSockets that must fail in a row while the server can be reached. One failure may have any other cause. Default: 2. */
  readonly attempts?: number;
  /** Interval at which a WebSocket is tried beside the streams, in milliseconds: 1 to 2,147,483,647. Default: 60,000. */
  readonly retryInterval?: number;
  /** URL of the streams. Default: that of the client, with `/events` in the place of `/ws`. */
  readonly url?: string | URL;
}

/**
 * Makes a value for the client's option `webSocket`: WebSockets, and where those are blocked streams of server-sent events, by
 * which the client listens and recovers. Commands that need a WebSocket are then refused with `unimplemented`: publishes, calls,
 * presence, and history other than the latest messages. The client connects again as soon as a WebSocket opens.
 */
export function createFallback({
  attempts = 2,
  retryInterval = 60_000,
  url,
  webSocket = globalThis.WebSocket,
}: FallbackOptions = {}) {
  /** WebSockets that have failed in a row. */
  let failures = 0;

  // A function that returns an object may be called with `new`.
  return function fallback(target: string, protocols: string[] = []): WebSocketLike {
    const streams = new URL(url ?? target, globalThis.location?.href);
    streams.protocol = streams.protocol.replace("ws", "http");
    streams.pathname = streams.pathname.replace(/\/ws(?=\/|$)/, "/events");
    streams.searchParams.set("meta", "1");

    const openWebSocket = (subprotocols: string[]): WebSocketLike => {
      const socket = new (webSocket as WebSocketConstructor)(target, subprotocols);
      // Its own close, which follows, is no failure.
      socket.addEventListener("open", () => (failures = -1));
      socket.addEventListener("close", async () => {
        // WebSockets that fail while the server is away are not blocked.
        failures = (await isReachable(streams.href)) ? failures + 1 : 0;
      });
      return socket;
    };
    if (webSocket && failures < attempts) return openWebSocket(protocols);
    // After the stream, a WebSocket is tried once before the next one.
    failures = attempts - 1;
    return createEventSocket(streams.href, protocols, retryInterval, webSocket && openWebSocket);
  } as unknown as WebSocketConstructor;
}
