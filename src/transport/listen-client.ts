import { WebSocket } from "ws";

/** First and longest wait before connecting again, in milliseconds; each wait is twice the last, half of it random. */
const FIRST_WAIT = 250;
const LONGEST_WAIT = 10_000;

export interface ListenEvents {
  /** A frame of the server, as it came. */
  readonly onFrame: (text: string) => void;
  readonly onConnected: () => void;
  /** The connection ended or could not be had; it is tried again after so many milliseconds. */
  readonly onLost: (reason: string, wait: number) => void;
}

/** A listening client of the native dialect, for the command line: it joins its topics on every new connection. */
export class ListenClient {
  readonly #url: string;
  readonly #topics: readonly string[];
  readonly #events: ListenEvents;
  #webSocket: WebSocket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #wait = FIRST_WAIT;
  #stopped = false;

  constructor(url: string, topics: readonly string[], events: ListenEvents) {
    this.#url = url;
    this.#topics = topics;
    this.#events = events;
  }

  connect(): void {
    const webSocket = new WebSocket(this.#url, { perMessageDeflate: false });
    this.#webSocket = webSocket;
    let reason = "connection lost";
    webSocket.on("open", () => {
      webSocket.send(JSON.stringify({ command: "join", topics: this.#topics, id: 1 }));
      this.#events.onConnected();
    });
    webSocket.on("message", (data: Buffer) => {
      this.#wait = FIRST_WAIT;
      this.#events.onFrame(data.toString("utf8"));
    });
    webSocket.on("error", (error) => {
      reason = error.message || String(error);
    });
    webSocket.on("close", (code, text) => {
      if (this.#stopped) return;
      const wait = this.#wait * (0.5 + Math.random() / 2);
      this.#wait = Math.min(LONGEST_WAIT, this.#wait * 2);
      this.#retry = setTimeout(() => {
        this.connect();
      }, wait);
      this.#events.onLost(code === 1006 ? reason : `closed with ${code} ${text.toString()}`.trim(), Math.round(wait));
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#webSocket?.close(1000);
  }
}
