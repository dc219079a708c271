import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { Sink } from "../core/ports.js";
import { type CloseReason, WEBSOCKET_CLOSE } from "../errors.js";

/**
 * Writes ready-made frames straight to the socket of the upgrade. The WebSocket library writes its own frames (pongs,
 * the close) to the same socket, each whole and at once as long as compression is off, so frames never mix.
 */
export class WebSocketSink implements Sink {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;

  constructor(webSocket: WebSocket, socket: Duplex) {
    this.#webSocket = webSocket;
    this.#socket = socket;
  }

  get backlog(): number {
    return this.#socket.writableLength;
  }

  write(frames: readonly Uint8Array[]): void {
    // After a close frame nothing may follow (RFC 6455 §5.5.1).
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    const [first] = frames;
    if (frames.length === 1) {
      this.#socket.write(first);
      return;
    }
    this.#socket.cork();
    for (const frame of frames) this.#socket.write(frame);
    this.#socket.uncork();
  }

  close(reason: CloseReason): void {
    this.#webSocket.close(...WEBSOCKET_CLOSE[reason]);
    // The peer's answer to the close is seen only where it is read.
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }
}
