import type { Duplex } from "node:stream";
import type { ByteLease } from "../../net/byte-budget.js";
import { HeldBytes } from "../../net/held-bytes.js";
import { ignore } from "../../util/ignore.js";
import { PIECE_COST } from "../receiving/receiver-parts.js";

/**
 * Bytes that a client may send before it is admitted, including the overhead of their chunks. Reading stops at this limit.
 * The last read, of up to 64 KiB, may exceed it.
 */
const MAX_HELD_BYTES = 65_536;

export interface HeldSocketOptions {
  readonly socket: Duplex;
  /** Bytes that arrived after the request. */
  readonly head: Buffer;
  /** Lease for this socket only. It is released when the socket is taken or closed. */
  readonly lease: ByteLease;
  /** Called once if the peer disconnects before the socket is taken. The socket has then been destroyed. */
  readonly onGone: () => void;
  /** Called when the budget is exhausted; the callee must take the socket. */
  readonly onOverloaded: () => void;
}

/**
 * Socket of an upgrade whose admission is pending. It is read, because a disconnect would otherwise go unnoticed. The bytes
 * are kept for the next owner of the socket.
 */
export class HeldSocket {
  readonly #socket: Duplex;
  readonly #lease: ByteLease;
  readonly #held: HeldBytes;
  readonly #onGone: () => void;
  readonly #onOverloaded: () => void;
  readonly #chunks: Buffer[] = [];
  /** Bytes of the chunks, including their cost. */
  #bytes = 0;

  constructor({ head, lease, onGone, onOverloaded, socket }: HeldSocketOptions) {
    this.#socket = socket;
    this.#lease = lease;
    this.#held = new HeldBytes(lease);
    this.#onGone = onGone;
    this.#onOverloaded = onOverloaded;
    this.#chunks.push(head);
    this.#bytes = head.length + PIECE_COST;
  }

  /** Starts reading the socket. */
  start(): void {
    const gone = this.#gone;
    this.#socket.on("data", this.#keep).on("end", gone).on("error", gone).on("close", gone);
    this.#count();
  }

  /** Stops holding the socket. @returns all bytes so far; the caller must add its own listener in this turn */
  take(): Buffer {
    this.#stopReading();
    // A flowing stream would not emit bytes that are unshifted to it.
    this.#socket.pause();
    this.#socket.resume();
    return this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks);
  }

  readonly #keep = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length + PIECE_COST;
    this.#count();
  };

  #count(): void {
    if (!this.#held.set(this.#bytes)) this.#onOverloaded();
    else if (this.#bytes >= MAX_HELD_BYTES) this.#socket.pause();
  }

  /** Treats a half-closed connection as closed, as the WebSocket library does. */
  readonly #gone = (): void => {
    this.#stopReading();
    this.#socket.on("error", ignore).destroy();
    this.#onGone();
  };

  #stopReading(): void {
    this.#lease.release();
    const gone = this.#gone;
    this.#socket.off("data", this.#keep).off("end", gone).off("error", gone).off("close", gone);
  }
}
