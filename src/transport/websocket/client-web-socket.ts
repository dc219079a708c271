import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { Sink } from "../../core/ports.js";
import { type ChosenClose, type CloseReason, toCloseFrame } from "../../errors.js";
import type { Inflater } from "../receiving/inflater.js";
import type { MessageMeter } from "../receiving/message-meter.js";
import { runOnceDrained } from "../run-once-drained.js";
import type { WebSocketConnection } from "./connection.js";
import { NO_DESCRIPTOR, writeDirectly } from "./direct-write.js";

const EXTENSIONS = "_extensions";

/**
 * Private field of the library that its type definitions lack. Its receiver calls `decompress` for each compressed
 * frame.
 */
interface LibraryParts {
  readonly [EXTENSIONS]: Readonly<Record<string, { decompress: Inflater["inflate"] } | undefined>>;
}

/**
 * WebSocket of a client, and the sink of its session. It holds the connection's objects as fields, so that one set of
 * handlers serves all connections.
 *
 * The sink writes complete frames to the upgraded socket, directly where that is possible. The library writes its own frames
 * (pings, pongs, the close frame) to the same socket, each in one write. It would queue frames only behind messages, and it is
 * never given a message. Frames therefore never interleave.
 */
export class ClientWebSocket extends WebSocket implements Sink {
  // First, so that a write finds them beside the library's state.
  #socket!: Duplex;
  #descriptor = NO_DESCRIPTOR;
  connection: WebSocketConnection | undefined = undefined;
  /** Undefined if compression was not negotiated. */
  inflater: Inflater | undefined = undefined;
  meter: MessageMeter | undefined = undefined;

  /** Sets the socket of the upgrade. Call it before the first write. @param descriptor - for direct writes */
  useSocket(socket: Duplex, descriptor: number): void {
    this.#socket = socket;
    this.#descriptor = descriptor;
  }

  /** Replaces the library's inflating. Call it before the first message arrives. */
  useInflater(inflater: Inflater): void {
    const extension = (this as unknown as LibraryParts)[EXTENSIONS]["permessage-deflate"];
    if (extension === undefined) throw new Error("compression was not negotiated");
    extension.decompress = (payload, final, onInflated) => {
      inflater.inflate(payload, final, (error, data) => {
        onInflated(error, data);
        this.meter?.measure();
      });
    };
    this.inflater = inflater;
    this.#socket.once("close", () => {
      inflater.close();
    });
  }

  get backlog(): number {
    return this.#socket.writableLength;
  }

  write(frames: Uint8Array): void {
    // No frame may follow a close frame (RFC 6455 §5.5.1).
    if (this.readyState === WebSocket.OPEN) writeDirectly(this.#socket, this.#descriptor, frames);
  }

  writeAll(frames: readonly Uint8Array[]): void {
    if (this.readyState !== WebSocket.OPEN) return;
    this.#socket.cork();
    for (const frame of frames) this.#socket.write(frame);
    this.#socket.uncork();
  }

  onceDrained(run: () => void): void {
    runOnceDrained(this.#socket, run);
  }

  end(reason: CloseReason | ChosenClose): void {
    this.inflater?.discard();
    this.close(...toCloseFrame(reason));
    // The peer's close frame arrives only while the socket is read.
    if (this.isPaused) this.resume();
    // A cut connection is no longer parsed, so the peer's close frame would not be seen.
    if (this.meter?.cutFor !== undefined) this.#socket.end();
  }
}
