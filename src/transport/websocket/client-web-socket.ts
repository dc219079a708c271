import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { Sink } from "../../core/ports.js";
import { type ChosenClose, type CloseReason, toCloseFrame } from "../../errors.js";
import type { Inflater } from "../receiving/inflater.js";
import type { MessageMeter } from "../receiving/message-meter.js";
import type { WebSocketConnection } from "./connection.js";

const EXTENSIONS = "_extensions";

/** A part of the library that its type definitions lack. Its receiver calls `decompress` for each compressed frame. */
interface LibraryParts {
  readonly [EXTENSIONS]: Readonly<Record<string, { decompress: Inflater["inflate"] } | undefined>>;
}

/**
 * The library's socket, with a place for what belongs to it, so that one set of handlers serves all connections; and the
 * session's sink, which writes ready-made frames straight to the socket of the upgrade. The library writes its own frames
 * (pongs, the close) to the same socket, each whole and at once: it queues only what it compresses itself, and it is never
 * given messages. So frames never mix.
 */
export class ClientWebSocket extends WebSocket implements Sink {
  connection: WebSocketConnection | undefined = undefined;
  /** Undefined where compression was not negotiated. */
  inflater: Inflater | undefined = undefined;
  meter: MessageMeter | undefined = undefined;
  #socket!: Duplex;

  /** Before anything is written. @param socket - of the upgrade */
  useSocket(socket: Duplex): void {
    this.#socket = socket;
  }

  /** Has the client's messages inflated by this, before the first has come, and not in the library's queue. */
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
    // After a close frame nothing may follow (RFC 6455 §5.5.1).
    if (this.readyState === WebSocket.OPEN) this.#socket.write(frames);
  }

  writeAll(frames: readonly Uint8Array[]): void {
    if (this.readyState !== WebSocket.OPEN) return;
    this.#socket.cork();
    for (const frame of frames) this.#socket.write(frame);
    this.#socket.uncork();
  }

  onceDrained(run: () => void): void {
    if (this.#socket.writableNeedDrain) {
      this.#socket.once("drain", run);
    } else if (this.readyState === WebSocket.OPEN) {
      // Below the stream's own mark there is no drain event; what is written last tells.
      this.#socket.write(NOTHING, (error) => {
        if (!error) run();
      });
    }
  }

  end(reason: CloseReason | ChosenClose): void {
    this.inflater?.discard();
    this.close(...toCloseFrame(reason));
    // The peer's answer to the close is seen only where it is read.
    if (this.isPaused) this.resume();
    // It is not read any more, so the answer would not be seen.
    if (this.meter?.cutFor !== undefined) this.#socket.end();
  }
}

const NOTHING = new Uint8Array(0);
