import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { ByteLease } from "../../net/byte-budget.js";
import { HeldBytes } from "../../net/held-bytes.js";
import type { Inflater } from "./inflater.js";
import type { MessageDeadlines, UnfinishedMessage } from "./message-deadlines.js";
import {
  compactReceiver,
  countReceiverBytes,
  emptyReceiver,
  getReceiverParts,
  isMessageCompressed,
  isReceiverEmpty,
  type ReceiverParts,
} from "./receiver-parts.js";

/** Reason why a connection is no longer read. */
export type CutReason = "overloaded" | "message_timeout";

export interface MessageMeterOptions {
  /** Connection whose library already reads the socket. */
  readonly webSocket: WebSocket;
  readonly socket: Duplex;
  /** Lease for this connection only. */
  readonly lease: ByteLease;
  readonly deadlines: MessageDeadlines;
  /** Called once, after reading has stopped. */
  readonly onCut: (reason: CutReason) => void;
}

/**
 * Counts the bytes of incomplete messages and of messages whose commands are pending against the node's budget, and
 * bounds the time in which a message must arrive. A connection that exceeds either is cut. Pausing it instead could
 * deadlock: incomplete messages would hold the whole budget while each waits for the others.
 */
export class MessageMeter implements UnfinishedMessage {
  begun = 0;
  /** Undefined if compression was not negotiated. */
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
  /** Whether the connection has closed or was cut, so that bytes are no longer counted. */
  #ended = false;

  constructor({ deadlines, lease, onCut, socket, webSocket }: MessageMeterOptions) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#receiver = getReceiverParts(webSocket);
    this.#held = new HeldBytes(lease);
    this.#deadlines = deadlines;
    this.#onCut = onCut;
    // Added after the library's own listener, so the chunk has been parsed when this one runs.
    socket.on("data", this.measure);
    socket.once("close", this.#close);
  }

  /** Reason why the connection was cut; undefined when it was not. */
  get cutFor(): CutReason | undefined {
    return this.#cutFor;
  }

  /** Counts the held bytes, after bytes were read or inflated. */
  readonly measure = (): void => {
    const receiver = this.#receiver;
    if (isReceiverEmpty(receiver)) {
      if (this.#unfinished > 0) this.#forget();
      return;
    }
    if (this.#ended) return;
    compactReceiver(receiver);
    if (this.#unfinished === 0) this.#begin();
    // Never 0, because 0 means that no message has begun, and a masking key alone holds no counted bytes.
    this.#unfinished = 1 + countReceiverBytes(receiver) + (this.inflater?.held ?? 0);
    if (!this.#held.set(this.#unfinished + this.#pending)) this.#cut("overloaded");
  };

  /** Stops counting a message that is complete and not held. */
  complete(): void {
    if (this.#unfinished > 0) this.#forget();
  }

  /**
   * Counts a complete message until {@link settle}.
   * @returns false when it exceeds the budget; the connection has been cut
   */
  hold(bytes: number): boolean {
    if (this.#unfinished > 0) this.#forget();
    // The inflater counts inflated bytes itself.
    if (isMessageCompressed(this.#receiver)) return true;
    if (this.#held.set(this.#pending + bytes)) {
      this.#pending += bytes;
      return true;
    }
    this.#cut("overloaded");
    return false;
  }

  /** Releases the complete messages, whose commands have all been executed. */
  settle(): void {
    this.#pending = 0;
    this.#held.set(this.#unfinished);
  }

  /** Cuts a connection whose message has timed out. If this side is not reading, the timeout restarts instead. */
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
    this.#ended = true;
    this.#forget();
  };

  #cut(reason: CutReason): void {
    if (this.#ended) return;
    this.#cutFor = reason;
    // Further bytes are read and discarded, so that the peer can receive the close frame.
    this.#socket.removeAllListeners("data");
    emptyReceiver(this.#receiver);
    this.#close();
    this.#onCut(reason);
    this.#socket.resume();
  }
}
