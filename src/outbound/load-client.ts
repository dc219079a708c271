import { WebSocket } from "ws";
import { CarillonError, type ErrorCode, parseRetryAdvice } from "../errors.js";
import { errorCode } from "../util/native-error.js";

/** Longest handshake, in milliseconds. */
const HANDSHAKE_TIMEOUT = 30_000;

/** Codes of refused upgrades. Others are `unavailable`. */
const REFUSALS: Readonly<Record<number, ErrorCode>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
};

export interface LoadClientOptions {
  /** WebSocket URL of a node. */
  readonly url: string;
  readonly topic: string;
  /** Broker of the topic; undefined: the server's default. */
  readonly broker: string | undefined;
  readonly token: string | undefined;
  /** PEM of the authority of the server's certificate; undefined: the authorities known to Node. */
  readonly ca: Uint8Array | undefined;
  /** Address to connect from; undefined: the system's choice. */
  readonly localAddress: string | undefined;
}

export interface LoadClientEvents {
  readonly onPayload: (payload: string) => void;
  /** Called once, when the connection ends after it has joined. */
  readonly onClosed: (code: number, reason: string) => void;
}

/** Client of `/ws` that has joined one topic, for load tests. */
export interface LoadClient {
  close(): void;
}

/**
 * Connects a client, and joins its topic.
 * @throws CarillonError unavailable: refused for now, with `retryDelay` if the server named one, or unreachable, with the system's
 * error as `cause`; any other code: refused for good
 */
export function connectLoadClient(options: LoadClientOptions, events: LoadClientEvents): Promise<LoadClient> {
  const { broker, ca, localAddress, token, topic, url } = options;
  const webSocket = new WebSocket(url, {
    perMessageDeflate: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    ...(ca !== undefined && { ca: Buffer.from(ca) }),
    ...(localAddress !== undefined && { localAddress }),
  });
  return new Promise((resolve, reject) => {
    let hasJoined = false;
    webSocket.on("open", () => {
      webSocket.send(JSON.stringify({ command: "join", broker, topics: [topic], id: 1 }));
    });
    webSocket.on("message", (data: Buffer) => {
      const frame = parseFrame(data.toString("utf8"));
      if (frame?.topic === topic) {
        events.onPayload(String(frame.payload));
      } else if (frame?.topic === "@join") {
        hasJoined = true;
        resolve({
          close: () => {
            webSocket.close(1000);
          },
        });
      } else if (!hasJoined) {
        const { code = "failed_precondition", message = "the server does not speak Carillon's protocol" } =
          frame?.error ?? {};
        reject(new CarillonError(code, message));
        webSocket.terminate();
      }
    });
    webSocket.on("unexpected-response", (_request, response) => {
      const { headers, statusCode = 0 } = response;
      const seconds = Number(headers["retry-after"] ?? Number.NaN);
      const retryDelay = Number.isFinite(seconds) ? seconds * 1_000 : undefined;
      response.setEncoding("utf8").once("data", (text: string) => {
        const answer = `the server answers ${statusCode}: ${parseMessage(text)}`;
        reject(new CarillonError(REFUSALS[statusCode] ?? "unavailable", answer, { retryDelay }));
        webSocket.terminate();
      });
    });
    webSocket.on("error", (cause) => {
      const code =
        errorCode(cause) === "EMFILE" || errorCode(cause) === "EADDRNOTAVAIL" ? "resource_exhausted" : "unavailable";
      reject(new CarillonError(code, cause.message || String(errorCode(cause)), { cause }));
    });
    webSocket.on("close", (code, reason) => {
      const text = reason.toString();
      if (hasJoined) events.onClosed(code, text);
      // A refusal before the answer to the join has come.
      const refused = code >= 4_400 && code < 4_500;
      const retryDelay = parseRetryAdvice(text)?.from;
      reject(
        new CarillonError(refused ? "unauthenticated" : "unavailable", `closed with ${code} ${text}`.trim(), {
          retryDelay,
        }),
      );
    });
  });
}

interface LoadFrame {
  readonly topic?: string;
  readonly payload?: unknown;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

function parseFrame(text: string): LoadFrame | undefined {
  try {
    return JSON.parse(text) as LoadFrame;
  } catch {
    return undefined;
  }
}

/** Returns the message of a refusal, or a part of a body that is not one of Carillon's. */
function parseMessage(body: string): string {
  try {
    const { message } = JSON.parse(body) as { readonly message?: unknown };
    if (typeof message === "string") return message;
  } catch {
    // Shown as it is.
  }
  return body.slice(0, 200);
}
