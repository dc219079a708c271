import { isUtf8 } from "node:buffer";
import type { RawData, WebSocket } from "ws";
import type { Outcome } from "../commands/command.js";
import { execute } from "../commands/execute.js";
import type { Services } from "../commands/services.js";
import type { FanOut } from "../core/fan-out.js";
import type { Session } from "../core/session.js";
import type { Conversation } from "../dialects/dialect.js";
import { textFrame } from "./frame.js";
import type { Pulse } from "./heartbeat.js";

/** What a connection needs of its node. */
export interface ConnectionContext {
  readonly services: Services;
  readonly fanOut: FanOut;
}

/**
 * One WebSocket client: its frames become commands, carried out one after the other in the order sent. While one waits
 * for the broker, the socket is not read: TCP slows the client down, and at most what was read already waits here.
 */
export class Connection implements Pulse {
  readonly session: Session;
  readonly #webSocket: WebSocket;
  readonly #conversation: Conversation;
  readonly #context: ConnectionContext;
  readonly #waiting: string[] = [];
  #busy = false;
  #alive = true;

  constructor(webSocket: WebSocket, session: Session, conversation: Conversation, context: ConnectionContext) {
    this.#webSocket = webSocket;
    this.session = session;
    this.#conversation = conversation;
    this.#context = context;
    webSocket.on("message", this.#onMessage);
    webSocket.on("pong", this.#onSignOfLife);
    webSocket.on("ping", this.#onSignOfLife);
  }

  /** A connection that is not read just now cannot show a sign of life. */
  get alive(): boolean {
    return this.#alive || this.#busy;
  }

  ping(): void {
    this.#alive = false;
    if (this.#webSocket.readyState === this.#webSocket.OPEN) this.#webSocket.ping();
  }

  expire(): void {
    this.#context.services.hub.remove(this.session, "ping_timeout");
  }

  readonly #onSignOfLife = (): void => {
    this.#alive = true;
  };

  readonly #onMessage = (data: RawData, isBinary: boolean): void => {
    this.#alive = true;
    if (!this.session.open) return;
    const bytes = data as Buffer;
    // The library has checked text frames; binary ones are accepted where they hold the same text.
    if (isBinary && !isUtf8(bytes)) {
      this.#context.services.hub.remove(this.session, "not_utf8");
      return;
    }
    this.#waiting.push(bytes.toString("utf8"));
    if (this.#busy) this.#webSocket.pause();
    else void this.#work();
  };

  async #work(): Promise<void> {
    this.#busy = true;
    let text = this.#waiting.shift();
    while (text !== undefined && this.session.open) {
      await this.#take(text);
      text = this.#waiting.shift();
    }
    this.#busy = false;
    // A pong may have come and not been read: the peer has until the next ping.
    this.#alive = true;
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  async #take(text: string): Promise<void> {
    const received = this.#conversation.receive(text);
    switch (received.kind) {
      case "command":
        await execute(received.command, this.session, this.#context.services, (outcome: Outcome) => {
          const answer = received.answer(outcome);
          if (answer !== undefined) this.#send(answer);
        });
        break;
      case "refused":
        this.#send(received.answer);
        break;
      case "malformed":
        this.#send(received.answer);
        if (received.close) this.#context.services.hub.remove(this.session, "malformed_frames");
        break;
    }
  }

  #send(text: string): void {
    this.#context.fanOut.send(this.session, textFrame(text));
  }
}
