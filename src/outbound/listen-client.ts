import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import type { ErrorCode } from "../errors.js";

/** First and longest wait before trying again, in milliseconds; each wait is twice the last, half of it random. */
const FIRST_WAIT = 250;
const LONGEST_WAIT = 10_000;
/** What is read of a refusal, in characters, and how long it may be silent meanwhile, in milliseconds. */
const MAX_REFUSAL = 4_096;
const REFUSAL_SILENCE = 2_000;

/** A frame that a node sends on `/ws`. */
export interface ListenFrame {
  readonly topic: string;
  readonly payload: unknown;
  readonly encoding?: string;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  readonly missed?: number;
}

export interface ListenOptions {
  readonly url: string;
  readonly topics: readonly string[];
  /** Who listens; undefined where the server asks for no token. */
  readonly token: string | undefined;
  /** PEM of the authority of the server's certificate; undefined: those that Node knows. */
  readonly ca?: Buffer | undefined;
}

export interface ListenEvents {
  /** A frame of the server, and its text as it came; not a refusal that is tried again. */
  readonly onFrame: (frame: ListenFrame, text: string) => void;
  readonly onConnected: () => void;
  /**
   * The connection ended or could not be had, or the broker is away, so that the topics could not be joined; it is
   * tried again after so many milliseconds.
   */
  readonly onRetry: (reason: string, wait: number) => void;
  /** The server does not want this client, or is none of Carillon's: trying again would not help. */
  readonly onRefused: (reason: string) => void;
}

/** Close codes from here on tell that this client is not wanted as it comes. */
const REFUSED = { least: 4_400, most: 4_499 } as const;

/**
 * A listening client for `/ws`, for the command line: it joins its topics on every new connection, and
 * again where the broker was away.
 */
export class ListenClient {
  readonly #options: ListenOptions;
  readonly #events: ListenEvents;
  #webSocket: WebSocket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #wait = FIRST_WAIT;
  #stopped = false;

  constructor(options: ListenOptions, events: ListenEvents) {
    this.#options = options;
    this.#events = events;
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
      this.#wait = FIRST_WAIT;
      this.#events.onFrame(frame, text);
    });
    webSocket.on("unexpected-response", (_request, response) => {
      const { statusCode = 0 } = response;
      readRefusal(response, (message) => {
        reason = `the server answers ${statusCode}${message === undefined ? "" : `: ${message}`}`;
        // Too many clients, or a server that is being started, are no refusal for good.
        if (statusCode >= 400 && statusCode < 500 && statusCode !== 429) this.#giveUp(reason);
        webSocket.terminate();
      });
    });
    webSocket.on("error", (error) => {
      // To end a connection that was refused is an error too: it is not the reason.
      reason ??= error.message || String(error);
    });
    webSocket.on("close", (code, text) => {
      const closed = code === 1006 ? (reason ?? "connection lost") : `closed with ${code} ${text.toString()}`.trim();
      if (code >= REFUSED.least && code <= REFUSED.most) this.#giveUp(closed);
      this.#tryAgain(closed, () => {
        this.connect();
      });
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#webSocket?.close(1000);
  }

  #join(webSocket: WebSocket): void {
    webSocket.send(JSON.stringify({ command: "join", topics: this.#options.topics, id: 1 }));
  }

  #giveUp(reason: string): void {
    if (this.#stopped) return;
    this.stop();
    this.#events.onRefused(reason);
  }

  #tryAgain(reason: string, attempt: () => void): void {
    if (this.#stopped) return;
    const wait = this.#wait * (0.5 + Math.random() / 2);
    this.#wait = Math.min(LONGEST_WAIT, this.#wait * 2);
    // A connection that ends while a join waits is all that is left to try.
    clearTimeout(this.#retry);
    this.#retry = setTimeout(attempt, wait);
    this.#events.onRetry(reason, Math.round(wait));
  }
}

/** Calls once with the message of the server's own refusals, or undefined for what else may stand there. */
function readRefusal(response: IncomingMessage, done: (message: string | undefined) => void): void {
  let text = "";
  response.setEncoding("utf8");
  response.on("data", (part: string) => {
    text += part;
    if (text.length > MAX_REFUSAL) response.destroy();
  });
  response.setTimeout(REFUSAL_SILENCE, () => response.destroy());
  // It is cut off, or ends early: what has come is what there is.
  response.on("error", () => {});
  response.once("close", () => done(messageIn(text.slice(0, MAX_REFUSAL))));
}

function messageIn(text: string): string | undefined {
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
