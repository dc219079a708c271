import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { ByteLease } from "../../net/byte-budget.js";
import { HeldBytes } from "../../net/held-bytes.js";
import type { Inflater } from "./inflater.js";
import type { MessageDeadlines, UnfinishedMessage } from "./message-deadlines.js";
import {
  compactReceiver,
  emptyReceiver,
  isMessageCompressed,
  isReceiverEmpty,
  type ReceiverParts,
  receiverBytes,
  receiverOf,
} from "./receiver-parts.js";

/** Why a connection is not read any more. */
export type CutReason = "overloaded" | "message_timeout";

export interface MessageMeterOptions {
  /** Whose library has begun to read the socket. */
  readonly webSocket: WebSocket;
  readonly socket: Duplex;
  /** For this connection alone. */
  readonly lease: ByteLease;
  readonly deadlines: MessageDeadlines;
  /** Called once; nothing is read any more then. */
  readonly onCut: (reason: CutReason) => void;
}

/**
 * Counts what a WebSocket connection holds of messages that are not complete, and of those whose commands are not carried
 * out, against the node's budget, and bounds the time that a message may take. A connection beyond either is cut: were it
 * paused, unfinished messages could hold the whole budget and each wait for the others.
 */
export class MessageMeter implements UnfinishedMessage {
  begun = 0;
  /** Undefined where compression was not negotiated. */
  inflater: Inflater | undefined;
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  readonly #receiver: ReceiverParts;
  readonly #held: HeldBytes;
  readonly #deadlines: MessageDeadlines;
  readonly #onCut: (reason: CutReason) => void;
  #unfinished = 0;
  #pending = 0;
  #cutFor: CutReason | undefined;
  /** Whether nothing more is counted of what is read. */
  #over = false;

  constructor({ deadlines, lease, onCut, socket, webSocket }: MessageMeterOptions) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#receiver = receiverOf(webSocket);
    this.#held = new HeldBytes(lease);
    this.#deadlines = deadlines;
    this.#onCut = onCut;
    // Called after the library's own listener, which has taken the chunk apart by then.
    socket.on("data", this.measure);
    socket.once("close", this.#close);
  }

  /** Why the connection was cut; undefined where it was not. */
  get cutFor(): CutReason | undefined {
    return this.#cutFor;
  }

  /** Counts what is held after bytes were read or inflated. */
  readonly measure = (): void => {
    const receiver = this.#receiver;
    if (isReceiverEmpty(receiver)) {
      if (this.#unfinished > 0) this.#forget();
      return;
    }
    if (this.#over) return;
    compactReceiver(receiver);
    if (this.#unfinished === 0) this.#begin();
    // Never 0: a masking key alone is something, too.
    this.#unfinished = 1 + receiverBytes(receiver) + (this.inflater?.held ?? 0);
    if (!this.#held.set(this.#unfinished + this.#pending)) this.#cut("overloaded");
  };

  /** A message is complete, and what it holds goes over to its command, or nobody. */
  complete(): void {
    if (this.#unfinished > 0) this.#forget();
  }

  /**
   * A message is complete, and is held until {@link settle}.
   * @returns false where the budget has no room: the connection has been cut
   */
  hold(bytes: number): boolean {
    if (this.#unfinished > 0) this.#forget();
    // The inflater counts what it has inflated.
    if (isMessageCompressed(this.#receiver)) return true;
    if (this.#held.set(this.#pending + bytes)) {
      this.#pending += bytes;
      return true;
    }
    this.#cut("overloaded");
    return false;
  }

  /** The commands of all messages so far have been carried out. */
  settle(): void {
    this.#pending = 0;
    this.#held.set(this.#unfinished);
  }

  /** Too much time has passed since the message began; time in which this side did not read does not count. */
  expire(): void {
    if (this.#webSocket.isPaused || this.inflater?.waiting === true) this.begun = this.#deadlines.clock.monotonic();
    else this.#cut("message_timeout");
  }

  #begin(): void {
    this.begun = this.#deadlines.clock.monotonic();
    this.#deadlines.add(this);
  }

  readonly #forget = (): void => {
    this.#unfinished = 0;
    this.#deadlines.delete(this);
    this.#held.set(this.#pending);
  };

  readonly #close = (): void => {
    this.#over = true;
    this.#forget();
  };

  #cut(reason: CutReason): void {
    if (this.#over) return;
    this.#cutFor = reason;
    // Read on and forgotten, so that the peer can take the close frame.
    this.#socket.removeAllListeners("data");
    emptyReceiver(this.#receiver);
    this.#close();
    this.#onCut(reason);
    this.#socket.resume();
  }
}
