import { EMPTY_TABLE_UPDATE } from "../hpack/encode-headers.js";
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, MAX_FRAME_BYTES } from "./frame-types.js";

const NOTHING = Buffer.alloc(0);
const MIN_CAPACITY = 512;
/** Capacity up to which a new buffer is as large as the last output. */
const MAX_CAPACITY = 65_536;

/** Collects frames, so that everything of one turn of the event loop leaves in one write. */
export class FrameWriter {
  #bytes: Buffer = NOTHING;
  #length = 0;
  #capacity = MIN_CAPACITY;
  #hasWrittenHeaders = false;

  /** Number of bytes collected. */
  get length(): number {
    return this.#length;
  }

  /** Returns the collected bytes and begins anew; undefined if there are none. */
  take(): Buffer | undefined {
    if (this.#length === 0) return undefined;
    const taken = this.#bytes.subarray(0, this.#length);
    this.#capacity = Math.min(MAX_CAPACITY, Math.max(MIN_CAPACITY, this.#length));
    this.#bytes = NOTHING;
    this.#length = 0;
    return taken;
  }

  /** Begins a DATA frame of `length` bytes. {@link append} must follow for exactly as many. */
  beginData(stream: number, length: number): void {
    this.#begin(length, FrameType.DATA, 0, stream);
  }

  /** Writes an empty DATA frame with END_STREAM. */
  writeEnd(stream: number): void {
    this.#begin(0, FrameType.DATA, FrameFlag.END_STREAM, stream);
  }

  /** Appends a part of the frame that was begun. */
  append(bytes: Buffer, start = 0, end = bytes.length): void {
    const part = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    this.#bytes.set(part, this.#length);
    this.#length += part.length;
  }

  /** Writes encoded header fields as HEADERS, and CONTINUATION if they exceed a frame. */
  writeHeaders(stream: number, fields: Buffer, endStream: boolean): void {
    const block = this.#hasWrittenHeaders ? fields : Buffer.concat([EMPTY_TABLE_UPDATE, fields]);
    this.#hasWrittenHeaders = true;
    const endFlag = endStream ? FrameFlag.END_STREAM : 0;
    if (block.length <= MAX_FRAME_BYTES) {
      this.#begin(block.length, FrameType.HEADERS, FrameFlag.END_HEADERS | endFlag, stream);
      this.append(block);
      return;
    }
    this.#begin(MAX_FRAME_BYTES, FrameType.HEADERS, endFlag, stream);
    this.append(block, 0, MAX_FRAME_BYTES);
    for (let at = MAX_FRAME_BYTES; at < block.length; at += MAX_FRAME_BYTES) {
      const end = Math.min(at + MAX_FRAME_BYTES, block.length);
      this.#begin(end - at, FrameType.CONTINUATION, end === block.length ? FrameFlag.END_HEADERS : 0, stream);
      this.append(block, at, end);
    }
  }

  writeReset(stream: number, code: number): void {
    this.#begin(4, FrameType.RST_STREAM, 0, stream);
    this.#appendUint32(code);
  }

  /** @param stream - 0: the connection's window */
  writeWindowUpdate(stream: number, increment: number): void {
    this.#begin(4, FrameType.WINDOW_UPDATE, 0, stream);
    this.#appendUint32(increment);
  }

  /** @param settings - pairs of identifier and value */
  writeSettings(settings: readonly (readonly [identifier: number, value: number])[]): void {
    this.#begin(settings.length * 6, FrameType.SETTINGS, 0, 0);
    for (const [identifier, value] of settings) {
      this.#length = this.#bytes.writeUInt16BE(identifier, this.#length);
      this.#appendUint32(value);
    }
  }

  writeSettingsAck(): void {
    this.#begin(0, FrameType.SETTINGS, FrameFlag.ACK, 0);
  }

  /** @param data - has the 8 bytes from `start` */
  writePing(data: Buffer, start: number, isAnswer: boolean): void {
    this.#begin(8, FrameType.PING, isAnswer ? FrameFlag.ACK : 0, 0);
    this.append(data, start, start + 8);
  }

  writeGoaway(lastStream: number, code: number, debug: string): void {
    const text = Buffer.from(debug, "latin1");
    this.#begin(8 + text.length, FrameType.GOAWAY, 0, 0);
    this.#appendUint32(lastStream);
    this.#appendUint32(code);
    this.append(text);
  }

  #begin(length: number, type: number, flags: number, stream: number): void {
    this.#reserve(FRAME_HEADER_BYTES + length);
    const bytes = this.#bytes;
    const at = this.#length;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    this.#length = bytes.writeUInt32BE(stream, at + 5);
  }

  #appendUint32(value: number): void {
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#capacity, needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
