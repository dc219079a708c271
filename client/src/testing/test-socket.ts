import type { WebSocketLike } from "../types.js";

/** Other end of a connection in memory. */
export interface TestPeer {
  opened(socket: TestSocket): void;
  received(socket: TestSocket, text: string): void;
  closed(socket: TestSocket): void;
}

/** WebSocket in memory. Events come in order, each in a microtask of its own. */
export class TestSocket extends EventTarget implements WebSocketLike {
  readonly protocols: readonly string[];
  readonly #peer: TestPeer;
  #state: "connecting" | "open" | "closed" = "connecting";

  constructor(peer: TestPeer, protocols: readonly string[]) {
    super();
    this.#peer = peer;
    this.protocols = protocols;
    queueMicrotask(() => {
      if (this.#state === "connecting") this.#peer.opened(this);
    });
  }

  send(text: string): void {
    if (this.#state === "connecting") throw new Error("the socket is not open");
    queueMicrotask(() => {
      if (this.#state === "open") this.#peer.received(this, text);
    });
  }

  close(code = 1000, reason = ""): void {
    this.end(code, reason);
  }

  /** Opens the connection. */
  accept(): void {
    this.#state = "open";
    this.#emit("open", {});
  }

  /** Sends a text to the client. */
  deliver(text: string): void {
    queueMicrotask(() => {
      if (this.#state === "open") this.#emit("message", { data: text });
    });
  }

  /** Ends the connection. */
  end(code: number, reason: string): void {
    queueMicrotask(() => {
      if (this.#state === "closed") return;
      this.#state = "closed";
      this.#peer.closed(this);
      this.#emit("close", { code, reason });
    });
  }

  #emit(type: string, fields: object): void {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
}
