import { Http2Code } from "../http2-codes.js";
import { Http2ConnectionError } from "../http2-errors.js";
import { FrameFlag, MAX_UINT31 } from "./frame-types.js";

/** Bytes of a priority. Source: RFC 9113, sections 6.2 and 6.3. */
export const PRIORITY_BYTES = 5;

/** Position of a header block within a frame's payload. */
export interface BlockRange {
  readonly start: number;
  readonly end: number;
  /** Stream that the frame's priority names; undefined without a priority. */
  readonly dependency: number | undefined;
}

/** Finds the header block of a HEADERS frame (RFC 9113, section 6.2). @throws Http2ConnectionError: padding or priority exceed the frame */
export function findHeaderBlock(flags: number, bytes: Buffer, start: number, end: number): BlockRange {
  let from = start;
  let to = end;
  let dependency: number | undefined;
  if ((flags & FrameFlag.PADDED) !== 0) {
    expectBytes(1, from, end);
    to -= bytes.readUInt8(from);
    from += 1;
  }
  if ((flags & FrameFlag.PRIORITY) !== 0) {
    expectBytes(PRIORITY_BYTES, from, end);
    dependency = bytes.readUInt32BE(from) & MAX_UINT31;
    from += PRIORITY_BYTES;
  }
  if (from > to) throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "HEADERS padding");
  return { start: from, end: to, dependency };
}

/** @throws Http2ConnectionError: the frame is too short (RFC 9113, section 4.2) */
function expectBytes(count: number, from: number, end: number): void {
  if (end - from < count) throw new Http2ConnectionError(Http2Code.FRAME_SIZE_ERROR, "HEADERS size");
}

/**
 * Joins the header block of a HEADERS frame that CONTINUATION frames complete. Until then no other frame may follow (RFC 9113,
 * section 6.10).
 */
export class HeaderAssembly {
  readonly stream: number;
  readonly endStream: boolean;
  readonly dependency: number | undefined;
  readonly #limit: number;
  #bytes: Buffer;
  #length = 0;

  /** @param limit - maximum number of bytes of the block */
  constructor(stream: number, endStream: boolean, dependency: number | undefined, limit: number) {
    this.stream = stream;
    this.endStream = endStream;
    this.dependency = dependency;
    this.#limit = limit;
    this.#bytes = Buffer.alloc(0);
  }

  /** Bytes joined so far. */
  get block(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** @throws Http2ConnectionError: the block is too large */
  append(bytes: Buffer, start: number, end: number): void {
    const length = this.#length + end - start;
    if (length > this.#limit) throw new Http2ConnectionError(Http2Code.ENHANCE_YOUR_CALM, "header block too large");
    if (length > this.#bytes.length) {
      // Doubles, so that small pieces are not copied again and again.
      const grown = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(length, this.#bytes.length * 2)));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    bytes.copy(this.#bytes, this.#length, start, end);
    this.#length = length;
  }
}
