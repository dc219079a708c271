import type { Duplex } from "node:stream";
import type { ByteLease } from "../../net/byte-budget.js";
import { HeldBytes } from "../../net/held-bytes.js";
import { ignore } from "../../util/ignore.js";
import { PIECE_COST } from "../receiving/receiver-parts.js";

/**
 * Bytes that a client may send before it is admitted, including the cost of their chunks; reading stops beyond it. One
 * read of Node.js, of up to 64 KiB, may exceed it.
 */
const MAX_HELD_BYTES = 65_536;

export interface HeldSocketOptions {
  readonly socket: Duplex;
  /** Bytes that arrived after the request. */
  readonly head: Buffer;
  /** Lease for this socket only; released when the socket is taken or gone. */
  readonly lease: ByteLease;
  /** Called once when the peer has disconnected before the socket was taken; the socket is destroyed by then. */
  readonly onGone: () => void;
  /** Called when the budget is exhausted; the callee must take the socket. */
  readonly onOverloaded: () => void;
}

/**
 * Socket of an upgrade that waits for its decision. It is read, because otherwise a disconnect goes unnoticed; the
 * bytes are kept for the later owner.
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

  /** Stops holding the socket. @returns all bytes so far; the caller must listen for further ones in this turn */
  take(): Buffer {
    this.#stopReading();
    // A stream that already flows would not emit bytes that are put back.
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

  /** Treats a half-closed client as gone, as the WebSocket library does. */
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
