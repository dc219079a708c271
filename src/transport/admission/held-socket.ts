import type { Duplex } from "node:stream";
import type { ByteLease } from "../../net/byte-budget.js";
import { HeldBytes } from "../../net/held-bytes.js";
import { ignore } from "../../util/ignore.js";
import { PIECE_COST } from "../receiving/receiver-parts.js";

/**
 * Bytes that a client may send before it is admitted, and the cost of the pieces that they come in; no more is read until
 * then. One read of Node.js, of up to 64 KiB, may come on top.
 */
const MAX_HELD_BYTES = 65_536;

export interface HeldSocketOptions {
  readonly socket: Duplex;
  /** Bytes that came behind the request. */
  readonly head: Buffer;
  /** For this purpose alone; released when the holding ends. */
  readonly lease: ByteLease;
  /** Called once when the peer has gone, unless taken before; the socket is destroyed then. */
  readonly onGone: () => void;
  /** Called when the budget has no room for more; the socket is to be taken then. */
  readonly onOverloaded: () => void;
}

/**
 * The socket of an upgrade that is not decided yet. It is read, since only so is its end seen; the bytes are kept for its
 * later owner.
 */
export class HeldSocket {
  readonly #socket: Duplex;
  readonly #lease: ByteLease;
  readonly #held: HeldBytes;
  readonly #onGone: () => void;
  readonly #onOverloaded: () => void;
  readonly #chunks: Buffer[] = [];
  /** Bytes of the chunks, and their cost. */
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

  /** Begins to read the socket. */
  start(): void {
    const gone = this.#gone;
    this.#socket.on("data", this.#keep).on("end", gone).on("error", gone).on("close", gone);
    this.#count();
  }

  /** Ends the holding. @returns all bytes so far; the caller must listen for further ones in this turn */
  take(): Buffer {
    this.#letGo();
    // From a stream that flows already, what is put back would not come again.
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

  /** A client that ends its side will not hear the answer either: the library for WebSockets sees it the same way. */
  readonly #gone = (): void => {
    this.#letGo();
    this.#socket.on("error", ignore).destroy();
    this.#onGone();
  };

  #letGo(): void {
    this.#lease.release();
    const gone = this.#gone;
    this.#socket.off("data", this.#keep).off("end", gone).off("error", gone).off("close", gone);
  }
}
