import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { closeFrameOf } from "../errors.js";
import type { ByteLease } from "../net/byte-budget.js";

/** Bytes of a message that are not counted: most messages are whole in the chunk that they begin in. */
const UNCOUNTED_BYTES = 16 << 10;
/** A client's frame that is no longer than 125 bytes, as control frames are: two bytes of header and the mask. */
const CONTROL_HEADER_BYTES = 6;

/**
 * Counts within the node's budget what the library holds of a client's message that has not arrived whole. Without it,
 * each connection could pin the largest message for as long as it shows signs of life.
 *
 * What comes behind a whole message in the same chunk, up to 64 KiB, is counted with the next chunk's.
 */
export class UnfinishedMessage {
  readonly #lease: ByteLease;
  readonly #onRefused: () => void;
  #bytes = 0;

  /** @param onRefused - the budget has no room: the connection must end, and is not to be read any more */
  constructor(lease: ByteLease, onRefused: () => void) {
    this.#lease = lease;
    this.#onRefused = onRefused;
  }

  /** Sees what the socket brings before the library does. */
  watch(socket: Duplex): void {
    // Without `on`, which would begin to read.
    socket.prependListener("data", (chunk: Buffer) => {
      this.#bytes += chunk.length;
      const more = this.#bytes - this.#lease.bytes;
      if (this.#bytes > UNCOUNTED_BYTES && more > 0 && !this.#lease.tryTake(more)) this.#onRefused();
    });
  }

  /** A ping or pong has come, perhaps between the fragments of a message. */
  passControl(payload: Buffer): void {
    this.#bytes = Math.max(0, this.#bytes - payload.length - CONTROL_HEADER_BYTES);
  }

  /** The message has arrived. */
  complete(): void {
    this.#bytes = 0;
    this.#lease.give(this.#lease.bytes);
  }

  /** The connection is gone. */
  close(): void {
    this.#lease.release();
  }
}

/** The same for a WebSocket that another library has made, and that it reads. */
export function countUnfinished(webSocket: WebSocket, socket: Duplex, lease: ByteLease): void {
  const unfinished = new UnfinishedMessage(lease, () => {
    webSocket.close(...closeFrameOf("overloaded"));
    webSocket.pause();
  });
  unfinished.watch(socket);
  webSocket.on("message", () => unfinished.complete());
  webSocket.on("ping", (payload: Buffer) => unfinished.passControl(payload));
  webSocket.on("pong", (payload: Buffer) => unfinished.passControl(payload));
  webSocket.once("close", () => unfinished.close());
}
