import { Http2Code } from "../http2-codes.js";
import { Http2ConnectionError } from "../http2-errors.js";
import { FRAME_HEADER_BYTES, MAX_FRAME_BYTES } from "./frame-types.js";

/** Receives complete frames. */
export interface FrameHandler {
  /** Whether it takes a further frame now. */
  readonly isReceptive: boolean;
  /**
   * @param bytes - has the payload from `start` to `end`
   * @throws Http2ConnectionError
   */
  onFrame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): void;
}

/**
 * Splits the bytes of a connection into frames. Source: RFC 9113, section 4.1. A frame that arrives in one piece is not
 * copied; of an incomplete one, at most its own size is kept.
 */
export class FrameSplitter {
  /** Beginning of an incomplete frame: its header, then all of it. */
  #held: Buffer | undefined;
  #filled = 0;

  /**
   * Passes on the frames that the bytes complete.
   * @returns the number of bytes taken, all unless the handler takes no further frame
   * @throws Http2ConnectionError: a frame is too large, or its handler has thrown
   */
  read(bytes: Buffer, handler: FrameHandler): number {
    let at = this.#held === undefined ? 0 : this.#complete(bytes, handler);
    while (bytes.length - at >= FRAME_HEADER_BYTES && handler.isReceptive) {
      const end = at + FRAME_HEADER_BYTES + readLength(bytes, at);
      if (end > bytes.length) break;
      emit(handler, bytes, at, end);
      at = end;
    }
    if (at === bytes.length || !handler.isReceptive) return at;
    this.#hold(bytes, at);
    return bytes.length;
  }

  /** Completes the incomplete frame. @returns the number of bytes taken */
  #complete(bytes: Buffer, handler: FrameHandler): number {
    let at = 0;
    while (this.#held !== undefined) {
      const held = this.#held;
      const count = Math.min(held.length - this.#filled, bytes.length - at);
      bytes.copy(held, this.#filled, at, at + count);
      this.#filled += count;
      at += count;
      if (this.#filled < held.length) break;
      const size = FRAME_HEADER_BYTES + readLength(held, 0);
      if (size === held.length) {
        this.#held = undefined;
        emit(handler, held, 0, size);
      } else {
        this.#held = Buffer.allocUnsafe(size);
        held.copy(this.#held);
      }
    }
    return at;
  }

  #hold(bytes: Buffer, at: number): void {
    const isHeaderComplete = bytes.length - at >= FRAME_HEADER_BYTES;
    const size = isHeaderComplete ? FRAME_HEADER_BYTES + readLength(bytes, at) : FRAME_HEADER_BYTES;
    this.#held = Buffer.allocUnsafe(size);
    this.#filled = bytes.copy(this.#held, 0, at);
  }
}

/** @throws Http2ConnectionError: the payload is larger than this server allows (RFC 9113, section 4.2) */
function readLength(bytes: Buffer, at: number): number {
  const length = bytes.readUIntBE(at, 3);
  if (length <= MAX_FRAME_BYTES) return length;
  throw new Http2ConnectionError(Http2Code.FRAME_SIZE_ERROR, `frame of ${length} bytes`);
}

function emit(handler: FrameHandler, bytes: Buffer, at: number, end: number): void {
  const stream = bytes.readUInt32BE(at + 5) & 0x7f_ff_ff_ff;
  handler.onFrame(bytes[at + 3] as number, bytes[at + 4] as number, stream, bytes, at + FRAME_HEADER_BYTES, end);
}
