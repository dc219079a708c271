import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { chooseDelay, type ErrorCode, parseRetryAdvice, type RetryWindow } from "../errors.js";
import { Backoff } from "./backoff.js";

/** Upper bounds of the first wait before reconnecting, and of later ones, in milliseconds. */
const FIRST_WAIT = 250;
const MAX_WAIT = 10_000;
/** Largest part of a refusal that is read, in characters, and the timeout for its next part, in milliseconds. */
const MAX_REFUSAL = 4_096;
const REFUSAL_TIMEOUT = 2_000;

/** Frame that a node sends on `/ws`. */
export interface ListenFrame {
  readonly topic: string;
  readonly payload: unknown;
  /** Position of a message in the topic's history. */
  readonly position?: string;
  /** Positions of the topics of a join. */
  readonly positions?: Readonly<Record<string, string>>;
  /** Reasons why messages of topics could not be recovered or replayed. */
  readonly reasons?: Readonly<Record<string, string>>;
  readonly encoding?: string;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  readonly missed?: number;
}

/** Where a listener begins: after a position of its only topic, or with the latest messages of each topic. */
export type ListenStart =
  | { readonly kind: "after"; readonly position: string }
  /** `since`: in milliseconds since the epoch. */
  | { readonly kind: "latest"; readonly limit?: number | undefined; readonly since?: number | undefined };

export interface ListenOptions {
  readonly url: string;
  readonly topics: readonly string[];
  /** Stored messages to receive before the live ones; undefined for none. */
  readonly start?: ListenStart | undefined;
  /** Token of the listener; undefined if the server needs none. */
  readonly token: string | undefined;
  /** PEM of the authority of the server's certificate; undefined: the authorities known to Node. */
  readonly ca?: Buffer | undefined;
}

export interface ListenEvents {
  /** Receives each frame from the server with its text, except refused joins that are retried. */
  readonly onFrame: (frame: ListenFrame, text: string) => void;
  readonly onConnected: () => void;
  /**
   * Called when the connection ended or failed, or when the topics could not be joined because the broker is disconnected. The
   * client retries after `wait` milliseconds.
   */
  readonly onRetry: (reason: string, wait: number) => void;
  /** Called when the server refuses this client, or is not a Carillon server. The client does not retry. */
  readonly onRefused: (reason: string) => void;
}

/** Range of close codes that refuse this client. */
const REFUSED = { min: 4_400, max: 4_499 } as const;

/** Id of the ping that follows a join. Its answer comes after the stored messages. */
const SETTLED = "settled";

/**
 * Listening client for `/ws`, for the command line. It joins its topics on every new connection, and again when
 * the broker was disconnected. If the server sends positions, it recovers the messages that it has missed.
 */
export class ListenClient {
  readonly #options: ListenOptions;
  readonly #events: ListenEvents;
  #webSocket: WebSocket | undefined;
  #retry: NodeJS.Timeout | undefined;
  readonly #backoff = new Backoff(FIRST_WAIT, MAX_WAIT);
  #stopped = false;
  /** Positions of the last messages received, by topic. */
  readonly #positions = new Map<string, string>();
  /** Positions that the last join returned, of topics whose stored messages come before them. They count once those have arrived. */
  readonly #joinedAt = new Map<string, string>();
  /** Whether the stored messages with which the client begins have arrived. */
  #hasStarted = false;

  constructor(options: ListenOptions, events: ListenEvents) {
    this.#options = options;
    this.#events = events;
    const [topic = ""] = options.topics;
    if (options.start?.kind === "after") this.#positions.set(topic, options.start.position);
  }

  connect(): void {
    const { ca, token, url } = this.#options;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const webSocket = new WebSocket(url, {
      perMessageDeflate: false,
      headers,
      ...(ca === undefined ? {} : { ca }),
    });
    this.#webSocket = webSocket;
    let reason: string | undefined;
    let advice: RetryWindow | undefined;
    webSocket.on("open", () => {
      this.#join(webSocket);
      this.#events.onConnected();
    });
    webSocket.on("message", (data: Buffer) => {
      const text = data.toString("utf8");
      const frame = readFrame(text);
      if (frame === undefined) {
        this.#giveUp("the server does not speak Carillon's protocol");
        return;
      }
      if (frame.topic === "#join" && frame.error?.code === "unavailable") {
        this.#tryAgain(frame.error.message, () => {
          this.#join(webSocket);
        });
        return;
      }
      this.#backoff.reset();
      if (frame.topic === "@pong") this.#settle();
      else this.#events.onFrame(frame, text);
      this.#follow(frame, webSocket);
    });
    webSocket.on("unexpected-response", (_request, response) => {
      const { statusCode = 0 } = response;
      readRefusal(response, (message) => {
        reason = `the server answers ${statusCode}${message === undefined ? "" : `: ${message}`}`;
        // Too many clients, or a starting server, are temporary refusals.
        if (statusCode >= 400 && statusCode < 500 && statusCode !== 429) this.#giveUp(reason);
        advice = readRetryAfter(response.headers["retry-after"]);
        webSocket.terminate();
      });
    });
    webSocket.on("error", (error) => {
      // Terminating a refused connection also emits an error, which is not the reason.
      reason ??= error.message || String(error);
    });
    webSocket.on("close", (code, text) => {
      const closed = code === 1006 ? (reason ?? "connection lost") : `closed with ${code} ${text.toString()}`.trim();
      if (code >= REFUSED.min && code <= REFUSED.max) this.#giveUp(closed);
      const attempt = (): void => {
        this.connect();
      };
      this.#tryAgain(closed, attempt, parseRetryAdvice(text.toString()) ?? advice);
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#webSocket?.close(1000);
  }

  #join(webSocket: WebSocket): void {
    this.#joinedAt.clear();
    webSocket.send(JSON.stringify({ command: "join", topics: this.#options.topics, id: 1, ...this.#replay() }));
  }

  /** Returns the members of a join that request stored messages. */
  #replay(): object {
    const { start } = this.#options;
    const recover = this.#positions.size > 0 && { recover: Object.fromEntries(this.#positions) };
    if (this.#hasStarted || start?.kind !== "latest") return { ...recover };
    const { limit, since } = start;
    const history = {
      ...(limit !== undefined && { limit }),
      ...(since !== undefined && { since: new Date(since).toISOString() }),
    };
    return { ...recover, history };
  }

  /** Whether a join asks for stored messages of the topic, which come before the position of the join. */
  #asksForStored(topic: string): boolean {
    return this.#positions.has(topic) || (!this.#hasStarted && this.#options.start?.kind === "latest");
  }

  /** Notes how far the client has received the topics. */
  #follow({ position, positions, topic }: ListenFrame, webSocket: WebSocket): void {
    if (topic === "@join" && positions !== undefined) {
      for (const [joined, joinedAt] of Object.entries(positions)) {
        (this.#asksForStored(joined) ? this.#joinedAt : this.#positions).set(joined, joinedAt);
      }
      webSocket.send(JSON.stringify({ command: "ping", id: SETTLED }));
    } else if (position !== undefined) {
      this.#joinedAt.delete(topic);
      this.#positions.set(topic, position);
    }
  }

  #settle(): void {
    for (const [topic, position] of this.#joinedAt) this.#positions.set(topic, position);
    this.#joinedAt.clear();
    this.#hasStarted = true;
  }

  #giveUp(reason: string): void {
    if (this.#stopped) return;
    this.stop();
    this.#events.onRefused(reason);
  }

  /** @param advice - the server's; undefined: the client chooses the wait itself */
  #tryAgain(reason: string, attempt: () => void, advice?: RetryWindow): void {
    if (this.#stopped) return;
    const wait = advice === undefined ? this.#backoff.next() : chooseDelay(advice);
    // A connection that ends while a join is scheduled replaces that attempt.
    clearTimeout(this.#retry);
    this.#retry = setTimeout(attempt, wait);
    this.#events.onRetry(reason, Math.round(wait));
  }
}

/** Reads a header Retry-After in seconds; undefined if there is none. The server has chosen a random time already. */
function readRetryAfter(text: string | undefined): RetryWindow | undefined {
  if (text === undefined || !/^\d{1,4}$/.test(text)) return undefined;
  const from = Number(text) * 1_000;
  return { from, to: from + 1_000 };
}

/** Reads a refusal, and calls `done` once with its message, or with undefined if the body is not one of Carillon's. */
function readRefusal(response: IncomingMessage, done: (message: string | undefined) => void): void {
  let text = "";
  response.setEncoding("utf8");
  response.on("data", (part: string) => {
    text += part;
    if (text.length > MAX_REFUSAL) response.destroy();
  });
  response.setTimeout(REFUSAL_TIMEOUT, () => response.destroy());
  // The received part of a truncated body is used.
  response.on("error", () => {});
  response.once("close", () => done(readMessage(text.slice(0, MAX_REFUSAL))));
}

function readMessage(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

function readFrame(text: string): ListenFrame | undefined {
  try {
    const frame: unknown = JSON.parse(text);
    return typeof frame === "object" && frame !== null && "topic" in frame ? (frame as ListenFrame) : undefined;
  } catch {
    return undefined;
  }
}
