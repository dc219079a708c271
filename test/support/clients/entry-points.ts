import type { TestNode } from "../nodes/node.js";
import { connectRaw, upgradeRequest } from "../raw/client.js";

/** Answer to a client that connects. */
export interface ConnectAnswer {
  readonly status: number;
  /** Value of Retry-After in seconds; undefined if there is none. */
  readonly retryAfter: number | undefined;
}

/** Every entry point of a node for clients, with a request that the node answers at once. */
export const ENTRY_POINTS: readonly (readonly [
  name: string,
  tryConnect: (node: Pick<TestNode, "http">) => Promise<ConnectAnswer>,
])[] = [
  ["native", upgrade("/ws")],
  ["broadcaster", upgrade("/broadcaster/websocket")],
  ["webrocket", upgrade("/webrocket")],
  ["socketio over WebSocket", upgrade("/socket.io/?EIO=4&transport=websocket")],
  ["socketio by polling", get("/socket.io/?EIO=4&transport=polling")],
  ["socketio 2 by polling", get("/socket.io/?EIO=3&transport=polling")],
  ["events", get("/events?topic=foo")],
];

function upgrade(path: string) {
  return async ({ http }: Pick<TestNode, "http">): Promise<ConnectAnswer> => {
    const client = await connectRaw(http);
    client.send(upgradeRequest(path));
    const { headers, status } = await client.response();
    client.socket.destroy();
    return { status, retryAfter: readSeconds(headers.get("retry-after")) };
  };
}

function get(path: string) {
  return async ({ http }: Pick<TestNode, "http">): Promise<ConnectAnswer> => {
    const end = new AbortController();
    const { headers, status } = await fetch(http + path, { signal: end.signal });
    end.abort();
    return { status, retryAfter: readSeconds(headers.get("retry-after")) };
  };
}

function readSeconds(text: string | null | undefined): number | undefined {
  return text === null || text === undefined ? undefined : Number(text);
}
