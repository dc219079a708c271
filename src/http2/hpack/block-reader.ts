import { decodeHuffman } from "./decode-huffman.js";
import { HpackError } from "./hpack-error.js";
import { sliceLatin1 } from "./slice-latin1.js";

/** Maximum bytes of an integer after its first: enough for 32 bits. RFC 7541, section 5.1, demands a bound. */
const MAX_CONTINUATION_BYTES = 5;
const MAX_INTEGER = 0xffff_ffff;

/** First byte of a string: the flag of the Huffman code, and the prefix of the length. RFC 7541, section 5.2. */
const HUFFMAN_FLAG = 0x80;
const LENGTH_PREFIX = 0x7f;

/** Reads the primitive types of a header block from its first byte to its last. */
export class BlockReader {
  readonly #block: Buffer;
  #at = 0;

  constructor(block: Buffer) {
    this.#block = block;
  }

  /** The next byte, which is not consumed; undefined at the end. */
  get next(): number | undefined {
    return this.#block[this.#at];
  }

  /**
   * Reads an integer of at most 32 bits: RFC 7541, section 5.1.
   * @param prefix - mask of the bits of the first byte that belong to the integer
   * @throws HpackError: it is truncated or too large
   */
  readInteger(prefix: number): number {
    const first = this.#readByte() & prefix;
    return first < prefix ? first : this.#readContinuation(first);
  }

  /**
   * Reads a string literal as latin1 text: RFC 7541, section 5.2.
   * @throws HpackError: it is truncated or its Huffman code is invalid
   */
  readString(): string {
    const first = this.next ?? 0;
    const length = this.readInteger(LENGTH_PREFIX);
    const start = this.#at;
    const end = start + length;
    if (end > this.#block.length) throw new HpackError("truncated string");
    this.#at = end;
    return (first & HUFFMAN_FLAG) === 0 ? sliceLatin1(this.#block, start, end) : decodeHuffman(this.#block, start, end);
  }

  #readContinuation(first: number): number {
    let value = first;
    let factor = 1;
    for (let count = 0; count < MAX_CONTINUATION_BYTES; count++) {
      const byte = this.#readByte();
      // Multiplication instead of a shift: five groups of seven bits exceed 32 bits.
      value += (byte & 0x7f) * factor;
      if (value > MAX_INTEGER) break;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
    throw new HpackError("integer too large");
  }

  #readByte(): number {
    const byte = this.#block[this.#at];
    if (byte === undefined) throw new HpackError("truncated header block");
    this.#at++;
    return byte;
  }
}
