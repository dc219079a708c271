import type { Duplex } from "node:stream";

/**
 * What a client may send before it knows whether it is let in; no more is read then until that is decided. In bytes, and
 * some more: what node reads at once.
 */
const MAX_HELD_BYTES = 65_536;

/**
 * The socket of an upgrade that is not decided yet. It is read, since only so is its end seen; what comes is kept for
 * whoever takes it over.
 */
export class HeldSocket {
  readonly #socket: Duplex;
  readonly #onGone: () => void;
  readonly #chunks: Buffer[];
  #bytes: number;

  /**
   * @param head - what has come behind the request
   * @param onGone - called once when the peer has gone, unless taken before; the socket is destroyed then
   */
  constructor(socket: Duplex, head: Buffer, onGone: () => void) {
    this.#socket = socket;
    this.#onGone = onGone;
    this.#chunks = [head];
    this.#bytes = head.length;
    socket.on("data", this.#keep).on("end", this.#gone).on("error", this.#gone).on("close", this.#gone);
  }

  /** Ends the holding. @returns all that has come; from now on what comes is the caller's to listen for, in this turn */
  take(): Buffer {
    this.#letGo();
    // From a stream that flows already, what is put back would not come again.
    this.#socket.pause();
    this.#socket.resume();
    return this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks);
  }

  readonly #keep = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= MAX_HELD_BYTES) this.#socket.pause();
  };

  /** A client that ends its side will not hear the answer either: the library for WebSockets sees it the same way. */
  readonly #gone = (): void => {
    this.#letGo();
    this.#socket.on("error", ignoreFailure).destroy();
    this.#onGone();
  };

  #letGo(): void {
    const gone = this.#gone;
    this.#socket.off("data", this.#keep).off("end", gone).off("error", gone).off("close", gone);
  }
}

/** It is closed anyway. */
function ignoreFailure(): void {}
