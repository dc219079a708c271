import type { Topic } from "./topic.js";

/** Part of the WebSocket interface that the client uses. Browsers, Node 22, Deno, Bun and `ws` have it. */
export interface WebSocketLike {
  addEventListener(type: "open" | "message" | "close" | "error", listener: (event: object) => unknown): void;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;

/** Source of time; tests may pass their own. */
export interface ClientClock {
  /** Wall-clock time in milliseconds since the epoch. */
  now(): number;
  /** Runs a function after a number of milliseconds. @returns a function that cancels it */
  after(milliseconds: number, run: () => void): () => void;
}

/** Why a connection ended, or an attempt failed. */
export interface CloseDetail {
  /** WebSocket close code; 1006 if the connection ended without one; the HTTP status of a refused upgrade where it is known. */
  readonly code: number;
  readonly message: string;
}

/** State of the connection. */
export type ConnectionState =
  | { readonly status: "connecting" }
  | { readonly status: "connected" }
  /** `nextAttempt`: time of the next attempt in milliseconds since the epoch. */
  | { readonly status: "waiting"; readonly reason: CloseDetail; readonly nextAttempt: number }
  /** Not connected, and not trying to. `error`: why the client has stopped; absent before `connect` and after `close`. */
  | { readonly status: "closed"; readonly error?: Error | undefined };

export interface ClientOptions {
  /**
   * Returns a token. Called before every connect, and again at 80 % of a JWT's life. Throw {@link Unauthorized} to stop;
   * any other error is retried.
   */
  readonly token?: () => string | Promise<string>;
  /** WebSocket constructor where there is no global one, such as that of `ws` in Node 20. */
  readonly webSocket?: WebSocketConstructor;
  /** Broker of the client's topics. Default: that of the vhost. */
  readonly broker?: string;
  /** Default of {@link PublishOptions.offline}. Default: `refuse`. */
  readonly offline?: "refuse" | "queue";
  /** Maximum number of characters of the queued commands. Default: 1,048,576. */
  readonly queueLimit?: number;
  /** Deadline of a command, from when it is sent, in milliseconds. Default: 10,000. */
  readonly timeout?: number;
  /** Deadline of a token, and of the handshake after it, in milliseconds. Default: 10,000. */
  readonly connectTimeout?: number;
  /** Longest delay before a reconnect, in milliseconds. Default: 30,000. */
  readonly maxDelay?: number;
  /** Silence after which the client sends a ping, in milliseconds. Default: 25,000. */
  readonly pingInterval?: number;
  /** Time for the answer to a ping, in milliseconds. Default: 5,000. */
  readonly pingTimeout?: number;
  /** Clock for tests. */
  readonly clock?: ClientClock;
  /** Source of random numbers for tests: at least 0, below 1. */
  readonly random?: () => number;
}

export interface RequestOptions {
  /** Deadline in milliseconds from now on. Default: {@link ClientOptions.timeout} from when the command is sent. */
  readonly timeout?: number | undefined;
  /** Ends the wait for the answer, with its reason if that is truthy. A command that has been sent may still take effect. */
  readonly signal?: AbortSignal | undefined;
  /** While disconnected: `refuse` fails at once, `queue` sends the command after the next connect. Default: `refuse`. */
  readonly offline?: "refuse" | "queue";
}

export interface PublishOptions extends RequestOptions {
  /** Name of the event. */
  readonly event?: string;
  /**
   * Id of the message. Default: a random one. The message has it behind the user's id and a colon. A repeat with the same id
   * on a topic with history is not published again.
   */
  readonly id?: string;
}

/** Message of a topic. */
export interface Message<T> {
  readonly topic: string;
  /** Payload as the topic's `format` and `parse` decode it. */
  readonly data: T;
  /** Payload as received: text, or bytes if it is not UTF-8. */
  readonly payload: string | Uint8Array;
  readonly id: string;
  /** "" for none. */
  readonly event: string;
  readonly time: Date;
  /** Position in the topic's history; undefined without history. */
  readonly position: string | undefined;
  /** Messages that were dropped directly before this one: by the topic's policy, or because an iterator was not read. */
  readonly missed: number;
}

/** Why messages may be missing: the reasons of the protocol's rule H3, and two of the client. */
export type JoinReason =
  /** First join of the topic. */
  | "first"
  /** The topic has no history, or its position was not known. */
  | "no_position"
  | "expired"
  | "unknown_position"
  | "too_many"
  | "unavailable";

/** Result of a join: `recovered` says that no message is missing since the last one. */
export type JoinOutcome =
  | { readonly recovered: true; readonly position: string | undefined }
  | { readonly recovered: false; readonly reason: JoinReason; readonly position: string | undefined };

/** Facts for `getState`. */
export interface StateRequest<T = unknown> {
  readonly topic: Pick<Topic<T>, "client" | "decode" | "name">;
  /** Position up to which the state must be complete. Messages after it follow the state. */
  readonly position: string | undefined;
  readonly reason: JoinReason;
  /** Add the ids of messages that the state has. They are not delivered again. */
  readonly known: Set<string | undefined>;
  /** Aborted when the state is no longer needed. */
  readonly signal: AbortSignal;
}

export interface TopicOptions<T, S> {
  /**
   * `json`: payloads are JSON, and JSON is published. A payload that is not JSON is passed as text. `text`: payloads are
   * passed as they are. Default: `json`.
   */
  readonly format?: "json" | "text";
  /** Checks and converts data, such as the `parse` of a schema library. A message for which it throws is reported as an error. */
  readonly parse?: (data: unknown) => T;
  /** Loads the application's state: at first, and when messages are missing. The event `state` has it. */
  readonly getState?: (request: StateRequest<T>) => S | Promise<S>;
  /** Maximum number of messages that wait for `getState`. Beyond them, the state is loaded again. Default: 1,000. */
  readonly bufferLimit?: number;
  /** Returns a channel token for the join. */
  readonly auth?: () => string | Promise<string>;
  /** Keeps the client out of member lists. The first subscription of a topic decides. */
  readonly hidden?: boolean;
}

/** JSON object of the native protocol. */
export interface Frame {
  readonly topic: string;
  readonly payload?: unknown;
  readonly id?: string | number;
  readonly encoding?: string;
  readonly event?: string;
  readonly time?: string;
  readonly position?: string;
  readonly missed?: number;
  readonly more?: boolean;
  readonly error?: { readonly code: string; readonly message: string };
  readonly positions?: Readonly<Record<string, string>>;
  readonly recovered?: Readonly<Record<string, boolean>>;
  readonly reasons?: Readonly<Record<string, JoinReason>>;
}
